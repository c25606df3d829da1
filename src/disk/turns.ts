/** Whoever works on the same thing takes turns, in the order they came; on different things nobody waits. */

export class Turns<Key> {
  readonly #last = new Map<Key, Promise<unknown>>()

  /** What `act` returns or throws, once everybody before has finished. Must not be called for the same key from within `act`. */
  take<T>(key: Key, act: () => Promise<T>): Promise<T> {
    const done = (this.#last.get(key) ?? Promise.resolve()).then(act)
    const turn: Promise<void> = done.then(
      () => this.#leave(key, turn),
      () => this.#leave(key, turn),
    )
    this.#last.set(key, turn)
    return done
  }

  #leave(key: Key, turn: Promise<void>): void {
    if (this.#last.get(key) === turn) this.#last.delete(key)
  }
}
