/**
 * The contents of the bundles that a device holds, on their way here: the manifest of each when it is time for it, then what that names. A
 * bundle whose contents are all here is ready to be prepared, or, for neighbours only, to be handed on.
 */
import type { Digest } from '#base/digest.ts'
import { Refused } from '#base/errors.ts'
import type { Instant } from '#base/time.ts'
import { parseManifest } from '#content/manifest.ts'
import type { AgentEffect } from './effect.ts'
import type { HeldBundle } from './held-bundle.ts'
import type { LifecycleEvent } from './lifecycle.ts'
import { priorityOf } from './priority.ts'

type Out = (effect: AgentEffect) => void
/** Moves a bundle on, and writes that down. */
type Move = (held: HeldBundle, event: LifecycleEvent, now: Instant, out: Out) => void

export class Gathering {
  readonly #held: ReadonlyMap<string, HeldBundle>
  readonly #move: Move

  constructor(held: ReadonlyMap<string, HeldBundle>, move: Move) {
    this.#held = held
    this.#move = move
  }

  /** Wants what it is time for, by windows that were just looked at. */
  proceed(now: Instant, out: Out): void {
    for (const held of this.#held.values()) {
      if (held.takeReread(now)) out({ type: 'read-manifest', content: held.assignment.manifest.digest })
      if (held.content !== 'ahead' || !held.isTimeToFetch(now)) continue
      held.content = 'manifest'
      held.contents = [held.assignment.manifest.digest]
      if (held.purpose === 'apply') held.move('content-missing')
      const { manifest, urgent } = held.assignment
      out({ type: 'want', ref: manifest, priority: priorityOf(held.window, undefined, urgent) })
    }
  }

  /** All of a content is here. */
  complete(content: Digest, now: Instant, out: Out): void {
    for (const held of this.#held.values()) {
      if (held.content === 'manifest' && held.assignment.manifest.digest === content)
        out({ type: 'read-manifest', content })
      else if (held.missing.delete(content) && held.missing.size === 0) this.#contentsHere(held, now, out)
    }
  }

  /** The bytes of a manifest; undefined where it could not be read. */
  manifest(content: Digest, bytes: Uint8Array | undefined, now: Instant, out: Out): void {
    for (const held of this.#held.values()) {
      if (held.content !== 'manifest' || held.assignment.manifest.digest !== content) continue
      try {
        if (!bytes) {
          held.readLater(now)
          continue
        }
        const refs = parseManifest(bytes).contents
        held.consistsOf(refs.map((ref) => ref.digest))
        if (refs.length === 0) this.#contentsHere(held, now, out)
        const { urgent } = held.assignment
        for (const ref of refs) out({ type: 'want', ref, priority: priorityOf(held.window, ref.length, urgent) })
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        // Signed and still wrong: the origin made a mistake, and only a new version mends it.
        held.content = 'complete'
        held.reason = error.message
        if (held.purpose === 'hold') continue
        this.#move(held, 'content-complete', now, out)
        this.#move(held, 'prepare-failed', now, out)
      }
    }
  }

  #contentsHere(held: HeldBundle, now: Instant, out: Out): void {
    held.content = 'complete'
    if (held.purpose === 'apply') this.#move(held, 'content-complete', now, out)
  }

  /** What no other bundle needs is wanted no longer. */
  letGo(held: HeldBundle, out: Out): void {
    const needed = new Set([...this.#held.values()].flatMap((other) => other.contents))
    for (const content of held.contents) if (!needed.has(content)) out({ type: 'unwant', content })
  }
}
