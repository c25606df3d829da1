/**
 * OLPC canonical JSON, which TUF signatures cover (TUF 1.0.34 §4.2): no white space, members sorted, only `\` and `"`
 * escaped, whole numbers only. We write printable ASCII only, so that sorting by code point and by UTF-16 unit agree
 * and the output is always parseable JSON.
 */
export class NotCanonical extends Error {
  override name = 'NotCanonical'
}

const depthMax = 16

/** The one spelling of `value`. Throws NotCanonical for what has none: fractions, undefined, deeper than 16 levels, or (strict) other than printable ASCII. */
export function canonicalJson(value: unknown, mode: 'strict' | 'lax' = 'strict', depth: number = 0): string {
  if (depth > depthMax) throw new NotCanonical(`deeper than ${depthMax} levels`)
  if (value === null) return 'null'
  if (value === true) return 'true'
  if (value === false) return 'false'
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new NotCanonical(`${value} is no safe whole number`)
    return String(value)
  }
  if (typeof value === 'string') return canonicalText(value, mode)
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, mode, depth + 1)).join(',')}]`
  if (typeof value === 'object' && !(value instanceof Uint8Array)) {
    const fields = value as Record<string, unknown>
    const members = Object.keys(fields)
      .sort()
      .map((key) => `${canonicalText(key, mode)}:${canonicalJson(fields[key], mode, depth + 1)}`)
    return `{${members.join(',')}}`
  }
  throw new NotCanonical(`a ${typeof value} has no canonical form`)
}

function canonicalText(text: string, mode: 'strict' | 'lax'): string {
  if (mode === 'strict' && !/^[\x20-\x7e]*$/.test(text)) throw new NotCanonical('text outside printable ASCII')
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
