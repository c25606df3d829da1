/** Says what must hold. A failed assertion is our own mistake (exit code 70), never the sender's or the operator's. */
export class AssertionFailed extends Error {
  readonly code = 'BUG'
  override name = 'AssertionFailed'
}

/** Throws AssertionFailed with `message` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message)
}

/** Stands in the default branch of a switch over a closed union: a new case fails to compile where it was forgotten. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unreachable case: ${JSON.stringify(value)}`)
}
