/**
 * Spellings of a policy's texts inside the programs that we write: CFEngine strings and patterns, YAML, and shell words. A text must
 * come out of the engine exactly as it went in: nothing in it is ever evaluated or ends the string around it.
 *
 * CFEngine strings know two escapes, `\\` and `\"`, and no way to write `$(` or `@(` but through its variables const.dollar and
 * const.at. Function arguments are stricter: with such a variable in them CFEngine does not call the function at all, so paths
 * with `$(` are refused (`pathFault`) and patterns spell these signs in hexadecimal.
 */

/** A CFEngine string with its quotes. The text holds no line break and no NUL. */
export function cfText(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return `"${escaped.replaceAll(/\$(?=[({])/g, '$(const.dollar)').replaceAll(/@(?=[({])/g, '$(const.at)')}"`
}

/**
 * A YAML string with its quotes that Ansible does not take for a template. Beyond printable ASCII every letter is spelled by its number:
 * some are line breaks to YAML, others are not allowed in it.
 */
export function yamlText(text: string): string {
  const escaped = text.replaceAll(/["\\]/g, String.raw`\$&`).replaceAll(/[^\x20-\x7e]/gu, (sign) => {
    const hex = (sign.codePointAt(0) ?? 0).toString(16)
    return hex.length > 4 ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`
  })
  return `!unsafe "${escaped}"`
}

/** Why a path cannot be said in Ansible, or undefined. Its modules expand variables, some of them twice, and know no way to write the sign. */
export function ansiblePathFault(path: string): string | undefined {
  return /\$[A-Z_{]/.test(path)
    ? `"${path}" holds a $NAME or \${NAME} that Ansible would take for a variable.`
    : undefined
}

/** A Puppet string with its quotes: between single ones only these two signs mean something. */
export const puppetText = (text: string): string => `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`

/** One word of a shell command line. The text holds no NUL. */
export const shellWord = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** A pattern that matches exactly this text (PCRE), without `$` and `@` as signs. */
export function literalPattern(text: string): string {
  return text
    .replaceAll(/[\\^.*+?()[\]{}|]/g, String.raw`\$&`)
    .replaceAll('$', String.raw`\x24`)
    .replaceAll('@', String.raw`\x40`)
}

/** What JavaScript and PCRE read differently, or PCRE refuses, for a message. */
export const patternTraps = String.raw`[], [^], [.x.], lookbehind, letters after a backslash but bBcdDfnrsStvwWx, and letters beyond ASCII in []`

/**
 * The same pattern (policies are written for JavaScript, engines read PCRE) such that no `$(`, `${`, `@(` or `@{` is in it; undefined
 * where it holds one of `patternTraps`. PCRE in CFEngine sees bytes: a letter of several is one unit for what follows it.
 */
export function cfPattern(pattern: string): string | undefined {
  let result = ''
  let inClass = false
  const signs = Array.from(pattern)
  for (let at = 0; at < signs.length; at += 1) {
    const sign = signs[at] ?? ''
    const next = signs[at + 1] ?? ''
    if (sign > '\x7f' && inClass) return undefined
    if (sign === '\\') {
      if (next > '\x7f' || /(?![bBcdDfknrsStvwWx])[A-Za-z]/.test(next)) return undefined
      result += next === '$' ? String.raw`\x24` : next === '@' ? String.raw`\x40` : `\\${next}`
      at += 1
    } else if (sign > '\x7f') result += `(?:${sign})`
    else if (sign === '@') result += String.raw`\x40`
    else if (sign === '$' && inClass) result += String.raw`\x24`
    else if (sign === '$' && (next === '(' || next === '{')) result += '$(?:)'
    else {
      if (sign === '[' && (inClass ? /[.=]/.test(next) : startsEmptyClass(signs, at))) return undefined
      if (sign === '(' && !inClass && next === '?' && signs[at + 2] === '<' && /[=!]/.test(signs[at + 3] ?? ''))
        return undefined
      if (sign === '[') inClass = true
      else if (sign === ']') inClass = false
      result += sign
    }
  }
  return result
}

const startsEmptyClass = (signs: readonly string[], at: number): boolean =>
  /^\[\^?\]/.test(signs.slice(at, at + 3).join(''))

/** Why a path cannot be said in CFEngine, or undefined. */
export function pathFault(path: string): string | undefined {
  return /[$@][({]/.test(path) ? `"${path}" holds a $( or @( that CFEngine would take for a variable.` : undefined
}
