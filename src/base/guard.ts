/**
 * From unknown JSON to typed values, for bytes from others. Every check names the path it failed at. Objects are read
 * through `own`, so that a member called `__proto__` or `constructor` is an ordinary absent member.
 */
export class GuardFailed extends Error {
  override name = 'GuardFailed'
  readonly path: string

  constructor(path: string, wanted: string) {
    super(`${path}: expected ${wanted}`)
    this.path = path
  }
}

export type Fields = Readonly<Record<string, unknown>>

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

/** The own member `key`, or undefined. */
export function own(fields: Fields, key: string): unknown {
  return Object.hasOwn(fields, key) ? fields[key] : undefined
}

export function fieldsAt(value: unknown, path: string): Fields {
  if (!isFields(value)) throw new GuardFailed(path, 'an object')
  return value
}

export function listAt(value: unknown, path: string, max: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > max) throw new GuardFailed(path, `a list of at most ${max}`)
  return value
}

export function textAt(value: unknown, path: string, max: number, pattern?: RegExp): string {
  if (typeof value !== 'string' || value.length > max || (pattern && !pattern.test(value)))
    throw new GuardFailed(path, `text of at most ${max} characters${pattern ? ` like ${pattern.source}` : ''}`)
  return value
}

/** A whole number in [min, max], within the safe integers. */
export function wholeAt(value: unknown, path: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
    throw new GuardFailed(path, `a whole number from ${min} to ${max}`)
  return value
}

export function oneOfAt<T extends string>(value: unknown, path: string, words: readonly T[]): T {
  const word = words.find((candidate) => candidate === value)
  if (word === undefined) throw new GuardFailed(path, `one of ${words.join(', ')}`)
  return word
}

export function bytesAt(value: unknown, path: string, min: number, max: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.byteLength < min || value.byteLength > max)
    throw new GuardFailed(path, `${min} to ${max} bytes`)
  return value
}

/** Refuses members that the format does not name: a relay must not be able to spell one message in many ways. */
export function onlyKeys(fields: Fields, path: string, allowed: readonly string[]): void {
  for (const key of Object.keys(fields))
    if (!allowed.includes(key)) throw new GuardFailed(`${path}.${key}`, 'no such member')
}
