/**
 * Errors, sorted by who must act. Every error carries a stable code (docs/errors.md lists them all, a test compares
 * both ways), a sentence for a person, where it happened, and what to do next. Codes never change between releases;
 * sentences may.
 *
 * | family        | who must act                         | exit code |
 * | Refused       | the sender: its bytes were not valid | 4         |
 * | Unavailable   | the world: try later                 | 3         |
 * | Misconfigured | the operator                         | 2         |
 * | Negative      | nobody: the answer is no             | 1         |
 */
export interface ErrorText {
  /** What happened, in one sentence. */
  message: string
  /** The file, member, address or field it happened at. */
  where?: string
  /** What to do about it: a command or a change, in one sentence. */
  next?: string
  cause?: unknown
}

/** What `--json` prints: `error {code, message, where, next}` (interfaces: "Exit codes"). */
export interface ErrorDocument {
  code: string
  message: string
  where: string | null
  next: string | null
}

export abstract class GrapevineError extends Error {
  abstract readonly exitCode: 1 | 2 | 3 | 4
  readonly code: string
  readonly where: string | undefined
  readonly next: string | undefined

  constructor(code: string, text: ErrorText) {
    super(text.message, text.cause === undefined ? undefined : { cause: text.cause })
    this.code = code
    this.where = text.where
    this.next = text.next
  }

  toDocument(): ErrorDocument {
    return { code: this.code, message: this.message, where: this.where ?? null, next: this.next ?? null }
  }
}

/** The sender's bytes were not acceptable. Nothing of them was kept. */
export class Refused extends GrapevineError {
  override name = 'Refused'
  readonly exitCode = 4
}

/** Something outside was not available: network, tool, peer, disk space. What was there before is intact. */
export class Unavailable extends GrapevineError {
  override name = 'Unavailable'
  readonly exitCode = 3
}

/** Wrong usage, configuration, home folder or port. Nothing was changed. */
export class Misconfigured extends GrapevineError {
  override name = 'Misconfigured'
  readonly exitCode = 2
}

/** The answer is no: a faulty policy, a wait that timed out, an unhealthy member. Nothing was changed. */
export class Negative extends GrapevineError {
  override name = 'Negative'
  readonly exitCode = 1
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a system or Grapevine error, such as `ENOSPC` or `HOME_LOCKED`; undefined where there is none. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
