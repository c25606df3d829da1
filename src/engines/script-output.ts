/**
 * Reads what the shell programs of a compiled policy print (policy/compile/script.ts), the same for every engine that runs them:
 * words of the tools that they call, then perhaps one line `failed: …`, `skipped: …` or `seen: …`.
 */
export const reasonLengthMax = 500

/** The text of the last line `WORD: TEXT`. */
export function lastWord(lines: readonly string[], word: 'failed' | 'skipped' | 'seen'): string | undefined {
  return lines.findLast((text) => text.startsWith(`${word}: `))?.slice(word.length + 2)
}

/** Why the program failed, with the last of what it printed before; undefined where it does not say. */
export function failureIn(lines: readonly string[]): string | undefined {
  const said = lastWord(lines, 'failed')
  if (said === undefined) return undefined
  const before = lines.filter((line) => line.trim() !== '' && !line.startsWith('failed: ')).join(' | ')
  return cut(before === '' ? said : `${said}: ${before.slice(-(reasonLengthMax - said.length - 2))}`)
}

/** At most `reasonLengthMax` characters; programs print what they like, and none of it may steer the terminal of a reader. */
export function cut(text: string): string {
  const clean = text.replaceAll(/\p{Cc}+/gu, ' ')
  return clean.length > reasonLengthMax ? `${clean.slice(0, reasonLengthMax - 1)}…` : clean
}
