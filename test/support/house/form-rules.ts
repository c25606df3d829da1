/** How files look: names, length, the header that says what a file is for, and what no file may hold. */
import type { HouseTree } from './house-tree.ts'
import { lineAt, type SourceText } from './source-text.ts'

const linesMax = 400
const vagueWords = new Set([
  'util',
  'utils',
  'helper',
  'helpers',
  'manager',
  'service',
  'services',
  'common',
  'misc',
  'index',
])

/** Files of src, sim and test are named by kebab-case words, none of which hides that no name was found. */
export function nameBreaches(tree: HouseTree): string[] {
  return tree.sources.flatMap(({ path }) => {
    const parts = path.split('/')
    const words = parts.map((part) => part.replace(/(?:\.test)?\.(?:ts|js)$/, ''))
    const vague = words.flatMap((word) => word.split('-')).filter((word) => vagueWords.has(word))
    return [
      ...words
        .filter((word) => !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(word))
        .map((word) => `${path}: "${word}" is not kebab-case`),
      ...vague.map((word) => `${path}: "${word}" is no name, the name that fails to come is a room that is missing`),
    ]
  })
}

/** No file of more than 400 lines: a second noun lives in it. */
export function lengthBreaches(tree: HouseTree): string[] {
  return tree.sources
    .filter((source) => source.lines.length - 1 > linesMax)
    .map((source) => `${source.path} has ${source.lines.length - 1} lines, at most ${linesMax}`)
}

/** Every source of src, sim and test/support begins with a comment whose first sentence says what the file is for. */
export function headerBreaches(tree: HouseTree): string[] {
  return tree.sources
    .filter((source) => !source.path.endsWith('.test.ts'))
    .flatMap((source) => {
      const header = /^(?:#![^\n]*\n)?\/\*\*([\s\S]*?)\*\//.exec(source.text)?.[1]
      if (header === undefined) return [`${source.path} does not begin with a header comment`]
      const prose = header
        .replaceAll(/^\s*\* ?/gm, '')
        .replaceAll(/\s+/g, ' ')
        .trim()
      const sentence = /^["'`(A-Z0-9][^]*?[.?!](?=\s|$)/.exec(prose)?.[0]
      if (sentence === undefined) return [`${source.path}: its header does not begin with a sentence`]
      return sentence.split(' ').length < 3
        ? [`${source.path}: its header begins with "${sentence}", which says too little`]
        : []
    })
}

const errorHomes = ['src/base/errors.ts', 'src/base/assert.ts', 'src/base/guard.ts', 'src/base/canonical-json.ts']

/** An error without family and code is nobody's: only base makes plain ones, and a bug is an assertion. */
export function plainErrorBreaches(tree: HouseTree): string[] {
  return tree.sources
    .filter((source) => /^(?:src|sim)\//.test(source.path) && !errorHomes.includes(source.path))
    .flatMap((source) =>
      places(source, source.bare, /\bnew Error\b|(?<![\w$.])Error\s*\(/g, 'makes an error without family and code'),
    )
}

/** Only what is proven absent may skip a test, and the name says how to install it. */
export function skippedTestBreaches(tree: HouseTree): string[] {
  return tree.sources
    .filter((source) => source.path.startsWith('test/'))
    .flatMap((source) => [
      ...places(
        source,
        source.bare,
        /(?<![\w$.])(?:it|test|describe|suite)(?:\.\w+)*\.(?:skip|only|todo|fails)\b/g,
        'leaves tests out',
      ),
      ...places(source, source.bare, /(?<![\w$.])(?:xit|fit|xdescribe|fdescribe|xtest)\s*\(/g, 'leaves tests out'),
      ...[...source.bare.matchAll(/\.(?:skipIf|runIf)\s*\(/g)]
        // The name follows within a few lines; an install command is what the reader of a skipped test needs.
        .filter((match) => !/install|skipName/i.test(source.code.slice(match.index, match.index + 400)))
        .map(
          (match) => `${source.path}:${lineAt(source.bare, match.index)} skips without an install command in its name`,
        ),
    ])
}

const machinePaths =
  /(?<![\w.~$}-])\/(?:work|root|Users|home\/[a-z][a-z0-9_-]*)\/|file:\/\/\/|registry\.[a-z]+js\.org|\/npm\/registry\//g

/** No file holds a path or a host of the machine that it was written on. */
export function machinePathBreaches(tree: HouseTree): string[] {
  return [...tree.texts].flatMap(([path, text]) =>
    [...text.matchAll(machinePaths)].map(
      (match) => `${path}:${lineAt(text, match.index)} holds a machine's path: ${match[0]}`,
    ),
  )
}

/** What is unfinished is an issue, a decision or a test, never a mark in a comment. */
export function unfinishedBreaches(tree: HouseTree): string[] {
  const mark = new RegExp(
    `\\b(?:${['TO', 'FIX', 'XX'].map((word, index) => word + ['DO', 'ME', 'X'][index]).join('|')})\\b`,
    'g',
  )
  return tree.sources.flatMap((source) => places(source, source.text, mark, 'is unfinished'))
}

function places(source: SourceText, within: string, pattern: RegExp, what: string): string[] {
  return [...within.matchAll(pattern)].map(
    (match) => `${source.path}:${lineAt(within, match.index)} ${what}: ${match[0].trim()}`,
  )
}
