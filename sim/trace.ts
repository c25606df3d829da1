/**
 * A run as text: every input and effect of every member on one line, so that it reads as a story and two runs compare with
 * `diff`. The hash over all lines is the run's own: the same seed gives the same hash, whether the lines are kept or not.
 */
import { Hasher, isDigest, sha256, shortDigest, type Digest } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'

export class Trace {
  readonly #hasher = new Hasher()
  readonly #keep: boolean
  readonly lines: string[] = []

  constructor(keep: boolean) {
    this.#keep = keep
  }

  /** `direction` is `<` for an input and `>` for an effect. */
  note(atUs: number, member: string, direction: '<' | '>', event: object): void {
    const text = `${(atUs / 1e6).toFixed(6)} ${member} ${direction} ${print(event)}`
    this.#hasher.update(utf8(`${text}\n`))
    if (this.#keep) this.lines.push(text)
  }

  /** The hash of the run; may be taken once, at its end. */
  hash(): Digest {
    return this.#hasher.digest()
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
