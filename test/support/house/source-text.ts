/**
 * One source file as the house rules see it: its lines, its code without comments, its code without comments and texts, and
 * what it imports. A small scanner and no parser, because TypeScript 7 offers none; it knows comments, strings, templates
 * and regular expressions, which is all that keeps a rule from reading prose as code.
 */
export interface SourceText {
  /** From the root of the repository, with `/`: `src/base/time.ts`. */
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
  /** Comments blanked, everything else in place. */
  readonly code: string
  /** Comments, strings, template texts and regular expressions blanked: only words and signs are left. */
  readonly bare: string
  readonly imports: readonly Import[]
  /** Contents of all plain strings, in order. */
  readonly strings: readonly PlainString[]
}

interface PlainString {
  readonly text: string
  /** Offset of its opening quote. */
  readonly at: number
}

export interface Import {
  readonly from: string
  /** `import type`, or every name in the braces is a type: nothing is loaded. */
  readonly typeOnly: boolean
  /** `export … from`: a barrel. */
  readonly reexport: boolean
  readonly line: number
}

export function sourceText(path: string, text: string): SourceText {
  const { code, bare, strings } = scan(text)
  return {
    path,
    text,
    lines: text.split('\n'),
    code,
    bare,
    imports: importsOf(code, bare),
    strings,
  }
}

/** 1 for the first line. */
export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let index = text.indexOf('\n'); index !== -1 && index < offset; index = text.indexOf('\n', index + 1)) line++
  return line
}

/** A slash after one of these words starts a regular expression; after any other word it divides. */
const wordsBeforeRegex = /(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|void|delete|throw|new|yield|await)$/
const signsBeforeRegex = /[([{},;=:!&|?+\-*%<>~^]$/

interface Scanned {
  code: string
  bare: string
  strings: PlainString[]
}

function scan(text: string): Scanned {
  const code = text.split('')
  const bare = [...code]
  const strings: Scanned['strings'] = []
  // Depth of braces inside each open `${`: at zero its closing brace goes back to the template's text.
  const templates: number[] = []
  let index = 0

  const blank = (target: string[], from: number, to: number): void => {
    for (let at = from; at < to; at++) if (target[at] !== '\n') target[at] = ' '
  }
  const templateEnd = (from: number): number => {
    let at = from
    while (at < text.length && text[at] !== '`' && !(text[at] === '$' && text[at + 1] === '{'))
      at += text[at] === '\\' ? 2 : 1
    blank(bare, from, at)
    if (text[at] !== '$') return at + 1
    templates.push(0)
    return at + 2
  }

  while (index < text.length) {
    const sign = text[index] ?? ''
    const pair = text.slice(index, index + 2)
    if (pair === '//' || pair === '/*') {
      const close = pair === '//' ? text.indexOf('\n', index) : text.indexOf('*/', index + 2) + 2
      const end = close < index + 2 ? text.length : close
      blank(code, index, end)
      blank(bare, index, end)
      index = end
    } else if (sign === "'" || sign === '"') {
      const end = closeOf(text, index, sign)
      blank(bare, index + 1, end)
      strings.push({ text: text.slice(index + 1, end), at: index })
      index = end + 1
    } else if (sign === '`') {
      index = templateEnd(index + 1)
    } else if (sign === '}' && templates.at(-1) === 0) {
      templates.pop()
      index = templateEnd(index + 1)
    } else if (sign === '/' && startsRegex(bare, index)) {
      const end = regexEnd(text, index)
      blank(bare, index + 1, end)
      index = end + 1
    } else {
      const depth = templates.length - 1
      if (sign === '{' && depth >= 0) templates[depth] = (templates[depth] ?? 0) + 1
      if (sign === '}' && depth >= 0) templates[depth] = (templates[depth] ?? 0) - 1
      index++
    }
  }
  return { code: code.join(''), bare: bare.join(''), strings }
}

/** Whether a slash at `index` starts a regular expression, told by what stands before it. */
function startsRegex(bare: readonly string[], index: number): boolean {
  let end = index
  while (end > 0 && /\s/.test(bare[end - 1] ?? '')) end--
  const before = bare.slice(Math.max(0, end - 12), end).join('')
  return before === '' || signsBeforeRegex.test(before) || wordsBeforeRegex.test(before)
}

function closeOf(text: string, from: number, quote: string): number {
  let at = from + 1
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1
  return at
}

/** Index of the slash that ends a regular expression; slashes in a class do not. */
function regexEnd(text: string, from: number): number {
  let inClass = false
  let at = from + 1
  for (; at < text.length && text[at] !== '\n'; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '[') inClass = true
    else if (text[at] === ']') inClass = false
    else if (text[at] === '/' && !inClass) break
  }
  return at
}

const statement = /\b(import|export)\s+(type\s+)?([\w$*\s{},]*?)\s*\bfrom\s*(['"])([^'"\n]+)\4/g
const sideEffect = /\bimport\s*(['"])([^'"\n]+)\1/g
const dynamic = /\b(?:import|require)\s*\(\s*(['"])([^'"\n]+)\1/g

function importsOf(code: string, bare: string): Import[] {
  const found: Import[] = []
  // A match counts only where it is code: inside a string the bare text has no such word at that place.
  const isCode = (at: number, word: string): boolean => bare.startsWith(word, at)
  for (const match of code.matchAll(statement)) {
    if (!isCode(match.index, match[1] ?? '')) continue
    const names =
      /\{([^}]*)\}/
        .exec(match[3] ?? '')?.[1]
        ?.split(',')
        .filter((name) => name.trim() !== '') ?? []
    const onlyTypes =
      /^\s*\{/.test(match[3] ?? '') && names.length > 0 && names.every((name) => /^\s*type\s/.test(name))
    const line = lineAt(code, match.index)
    found.push({
      from: match[5] ?? '',
      typeOnly: match[2] !== undefined || onlyTypes,
      reexport: match[1] === 'export',
      line,
    })
  }
  for (const match of [...code.matchAll(sideEffect), ...code.matchAll(dynamic)])
    if (isCode(match.index, match[0].slice(0, 6)))
      found.push({ from: match[2] ?? '', typeOnly: false, reexport: false, line: lineAt(code, match.index) })
  return found
}
