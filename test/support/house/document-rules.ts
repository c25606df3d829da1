/** What documents promise of the code, and code of the documents: sections that are cited, error codes, places of decisions. */
import type { HouseTree } from './house-tree.ts'
import { rowsUnder } from './room-table.ts'
import { lineAt } from './source-text.ts'

const citation = /\b([a-z][a-z-]*)\.md,? §(\d+(?:\.\d+)*[a-z]?)((?:(?:, | and |, and | or )§\d+(?:\.\d+)*[a-z]?)*)/g

/** A document that is not written yet; its citations are looked up from the day it exists. */
const awaited = ['protocol', 'trust']

/** Every `protocol.md §5.2` in a source names a section that stands in docs/protocol.md. */
export function citationBreaches(tree: HouseTree): string[] {
  return citationsIn(tree).flatMap(({ at, document, section }) => {
    const text = tree.texts.get(`docs/${document}.md`)
    if (text === undefined)
      return awaited.includes(document) ? [] : [`${at} cites docs/${document}.md, which does not exist`]
    return sectionsOf(text).has(section) ? [] : [`${at} cites ${document}.md §${section}, which stands nowhere`]
  })
}

/** Every citation of a numbered section of ours. */
export function citationsIn(tree: HouseTree): { at: string; document: string; section: string }[] {
  return tree.sources
    .filter((source) => !source.path.startsWith('test/support/house/') && source.path !== 'test/house.test.ts')
    .flatMap((source) =>
      // Joined lines, so that a citation may be broken at the end of one; offsets stay the same.
      [
        ...source.text
          .replaceAll(/\n(\s*\* ?)/g, (all) => ' '.repeat(all.length))
          .replaceAll(/(?<= ) +/g, '')
          .matchAll(citation),
      ].flatMap((match) =>
        [match[2] ?? '', ...[...(match[3] ?? '').matchAll(/§([\d.]+[a-z]?)/g)].map((more) => more[1] ?? '')].map(
          (section) => ({
            at: source.path,
            document: match[1] ?? '',
            section,
          }),
        ),
      ),
    )
}

/** Section numbers that a document defines: in headings, or at the start of a paragraph as `§5.2` or `**§5.2`. */
export function sectionsOf(markdown: string): Set<string> {
  const found = markdown.matchAll(/^(?:#+ +§?|\**§)(\d+(?:\.\d+)*[a-z]?)\b/gm)
  return new Set([...found].map((match) => match[1] ?? ''))
}

const families = ['Refused', 'Unavailable', 'Misconfigured', 'Negative']
/** Words in capitals that name variables of the environment. */
const notOurs = /^(?:GRAPEVINE|NODE|XDG|LC|FORCE|TERM)_|^NO_COLOR$/
/** Comparing with a code does not produce it; that is how codes of libraries and of the system are met. Nor does `env['…']`. */
const compared = /(?:\bcase|[=!]==?|\benv\??\.?\[)\s*$/

/** Error codes that the code can produce, with the family where the constructor shows it. */
export function codesIn(tree: HouseTree): { code: string; family?: string; at: string }[] {
  return tree.sources
    .filter((source) => /^(?:src|sim)\//.test(source.path))
    .flatMap((source) => {
      const thrown = source.code.matchAll(/\bnew (Refused|Unavailable|Misconfigured|Negative)\s*\(\s*'([^'\n]+)'/g)
      return [
        ...[...thrown].map((match) => ({
          code: match[2] ?? '',
          family: match[1] ?? '',
          at: `${source.path}:${lineAt(source.code, match.index)}`,
        })),
        // Codes also travel as values: a verdict, a problem in a policy, a reason on the wire.
        ...source.strings
          .filter(({ text }) => /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/.test(text) && !notOurs.test(text))
          .filter(({ at }) => !compared.test(source.bare.slice(Math.max(0, at - 40), at)))
          .map(({ text, at }) => ({ code: text, at: `${source.path}:${lineAt(source.text, at)}` })),
      ]
    })
}

/** Rows of docs/errors.md: code and family. */
export function documentedCodes(errors: string): { code: string; family: string }[] {
  return errors
    .split('\n')
    .map((line) => /^\|\s*`?([A-Z][A-Z0-9_]+)`?\s*\|\s*(\w+)\s*\|/.exec(line))
    .filter((match) => match !== null)
    .map((match) => ({ code: match[1] ?? '', family: match[2] ?? '' }))
}

/** Every code that can be met stands in docs/errors.md under its family, every code there can be met, and a test meets it. */
export function errorCodeBreaches(tree: HouseTree): string[] {
  const documented = documentedCodes(tree.texts.get('docs/errors.md') ?? '')
  const used = codesIn(tree)
  const tests = tree.sources.filter(
    (source) => source.path.startsWith('test/') && !source.path.startsWith('test/support/house/'),
  )
  const breaches: string[] = []
  for (const [index, { code, family, at }] of used.entries()) {
    const row = documented.find((item) => item.code === code)
    const first = used.findIndex((item) => item.code === code) === index
    if (row === undefined && first) breaches.push(`${at} ${code} is not in docs/errors.md`)
    if (row !== undefined && family !== undefined && row.family !== family)
      breaches.push(`${at} ${code} is ${family} here and ${row.family} in docs/errors.md`)
  }
  for (const [index, { code, family }] of documented.entries()) {
    if (!families.includes(family)) breaches.push(`docs/errors.md: ${code} has no family: ${family}`)
    if (documented.findIndex((item) => item.code === code) !== index)
      breaches.push(`docs/errors.md: ${code} stands twice`)
    if (!used.some((item) => item.code === code)) breaches.push(`docs/errors.md: nothing produces ${code}`)
    if (!tests.some((source) => new RegExp(`\\b${code}\\b`).test(source.code)))
      breaches.push(`docs/errors.md: no test meets ${code}`)
  }
  return [...new Set(breaches)]
}

/** Every file that the table "where does it happen" names exists. */
export function placeBreaches(tree: HouseTree): string[] {
  return placesIn(tree).flatMap(({ question, file }) =>
    tree.texts.has(file) ? [] : [`docs/architecture.md: "${question}" names ${file}, which does not exist`],
  )
}

export function placesIn(tree: HouseTree): { question: string; file: string }[] {
  return rowsUnder(tree.texts.get('docs/architecture.md') ?? '', 'question').flatMap(([question, files]) =>
    [...(files ?? '').matchAll(/`([^`]+)`/g)].map((match) => ({
      question: question ?? '',
      file: /^(?:sim|test|docs)\//.test(match[1] ?? '') ? (match[1] ?? '') : `src/${match[1] ?? ''}`,
    })),
  )
}
