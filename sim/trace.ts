/**
 * A run as text: every input and effect of every member on one line, so that it reads as a story and two runs compare with
 * `diff`. The hash over all events is the run's own: the same seed gives the same hash, whether the lines are kept or not.
 */
import { isDigest, sha256, shortDigest, type Digest } from '#base/digest.ts'
import { RunHash } from './run-hash.ts'

export class Trace {
  readonly #hash = new RunHash()
  readonly #keep: boolean
  readonly lines: string[] = []

  constructor(keep: boolean) {
    this.#keep = keep
  }

  /** `direction` is `<` for an input and `>` for an effect. */
  note(atUs: number, member: string, direction: '<' | '>', event: object): void {
    this.#hash.add(atUs)
    this.#hash.add(member)
    this.#hash.add(direction)
    this.#hash.add(event)
    if (this.#keep) this.lines.push(`${(atUs / 1e6).toFixed(6)} ${member} ${direction} ${print(event)}`)
  }

  /** The hash of the run so far. */
  hash(): Digest {
    return this.#hash.digest()
  }
}

function print(event: object): string {
  const { type, ...rest } = event as { type: string }
  return [type, ...Object.entries(rest).map(([key, value]) => `${key}=${printValue(value)}`)].join(' ')
}

/** Bytes print as their hash: two runs that differ in one byte differ in the line. */
function printValue(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.byteLength}B:${shortDigest(sha256(value))}`
  if (isDigest(value)) return shortDigest(value)
  if (typeof value !== 'object' || value === null) return String(value)
  const seen = JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof Uint8Array) return printValue(inner)
    if (inner instanceof Map) return [...inner].map(([key, item]) => [key, printValue(item)])
    return isDigest(inner) ? shortDigest(inner) : inner
  })
  return seen
}
