/**
 * `policy.yaml` as YAML 1.2: its value, and the line and column of everything in it. A text that is no YAML, is empty, too
 * large, nested too deeply, or multiplies itself by aliases gives problems, never a throw.
 */
import { Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Node, Pair, YAMLMap } from 'yaml'
import { messageOf } from '#base/errors.ts'
import { utf8 } from '#base/bytes.ts'
import { policyBytesMax } from './limits.ts'
import { policyFile } from './problem.ts'
import type { PolicyCode, Problem } from './problem.ts'

export type Path = readonly (string | number)[]

interface Place {
  readonly line: number
  readonly column: number
}

const nestingMax = 200

export class PolicyDocument {
  readonly value: unknown
  readonly #document: Document
  readonly #lines: LineCounter

  constructor(value: unknown, document: Document, lines: LineCounter) {
    this.value = value
    this.#document = document
    this.#lines = lines
  }

  /** Where the value at `path` begins, or its key; where there is none, the nearest thing around it. */
  place(path: Path, on: 'value' | 'key' = 'value'): Place {
    const { offset } = this.#find(path, on)
    const { line, col } = this.#lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }

  /** The scalar at `path` as it is spelled: `0644` for the number 644. */
  spelling(path: Path): string | undefined {
    const { node } = this.#find(path, 'value')
    return isScalar(node) && typeof node.source === 'string' ? node.source : undefined
  }

  #find(path: Path, on: 'value' | 'key'): { node: Node | undefined; offset: number } {
    let node: Node | undefined = this.#document.contents ?? undefined
    let offset = node?.range?.[0] ?? 0
    for (const [depth, step] of path.entries()) {
      if (isAlias(node)) node = node.resolve(this.#document)
      const last = depth === path.length - 1
      if (isMap(node)) {
        const pair = pairOf(node, step)
        if (!pair) return { node: undefined, offset }
        const key = isNode(pair.key) ? pair.key.range?.[0] : undefined
        node = isNode(pair.value) ? pair.value : undefined
        const value = node?.range?.[0]
        offset = (last && on === 'key' ? (key ?? value) : (value ?? key)) ?? offset
      } else if (isSeq(node)) {
        const item = node.items[Number(step)]
        node = isNode(item) ? item : undefined
        offset = node?.range?.[0] ?? offset
      } else return { node: undefined, offset }
    }
    return { node, offset }
  }
}

/** The document, unless the text is no usable YAML; and everything that is wrong with it as YAML. */
export function readDocument(text: string): { document?: PolicyDocument; problems: Problem[] } {
  if (utf8(text).byteLength > policyBytesMax)
    return failed(
      'POLICY_TOO_LARGE',
      `This policy is larger than ${policyBytesMax} bytes.`,
      'Split it into several policies.',
    )
  const lines = new LineCounter()
  let document: Document
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: 'error',
      strict: true,
      version: '1.2',
    })
  } catch (error) {
    // The YAML library follows nesting by recursion: thousands of brackets end its stack, and nothing else throws here.
    const next = `Nest at most ${nestingMax} levels.`
    return failed('POLICY_YAML_INVALID', `This is no usable YAML: ${messageOf(error)}.`, next)
  }
  const problems = [...document.errors, ...document.warnings].map((fault): Problem => {
    const { line, col } = lines.linePos(fault.pos[0])
    const place = { file: policyFile, line: Math.max(1, line), column: Math.max(1, col) }
    return { ...place, code: 'POLICY_YAML_INVALID', ...sentence(fault.code, fault.message) }
  })
  if (document.errors.some((fault) => fault.code !== 'DUPLICATE_KEY')) return { problems }
  if (isEmpty(document))
    return failed('POLICY_EMPTY', 'This policy is empty.', 'Begin it with a line such as policy: web-baseline')
  try {
    return { document: new PolicyDocument(document.toJS({ maxAliasCount: 100 }), document, lines), problems }
  } catch (error) {
    const message = messageOf(error)
    const bomb = message.includes('Excessive alias count')
    const code = bomb ? 'POLICY_ALIAS_BOMB' : 'POLICY_YAML_INVALID'
    const next = bomb
      ? 'Write the repeated parts out, or make them a template.'
      : 'Define the anchor (&name) before its use.'
    return failed(code, bomb ? 'Its aliases multiply into too much.' : `${message}.`, next, problems)
  }
}

function pairOf(map: YAMLMap, step: string | number): Pair | undefined {
  return map.items.find((pair) => (isScalar(pair.key) ? String(pair.key.value) : String(pair.key)) === String(step))
}

function isEmpty(document: Document): boolean {
  return document.contents === null || (isScalar(document.contents) && document.contents.value === null)
}

function failed(
  code: PolicyCode,
  message: string,
  next: string,
  before: readonly Problem[] = [],
): { problems: Problem[] } {
  return { problems: [...before, { file: policyFile, line: 1, column: 1, code, message, next }] }
}

/** The library's words for the rarer faults, ours for those that people make every day. */
function sentence(code: string, words: string): { message: string; next?: string } {
  switch (code) {
    case 'TAB_AS_INDENT':
      return { message: 'A tab indents this line.', next: 'YAML wants spaces: use two for each level.' }
    case 'DUPLICATE_KEY':
      return { message: 'This key is there twice.', next: 'Keep one of the two.' }
    case 'MULTIPLE_DOCS':
      return { message: 'A second document begins here.', next: 'One folder holds one policy: remove the line ---.' }
    case 'BAD_INDENT':
      return { message: `${words}.`, next: 'Let the keys of one map begin in the same column.' }
    case 'TAG_RESOLVE_FAILED':
      return { message: `${words}.`, next: 'Leave the tag out, or put the text in quotes.' }
    case 'MISSING_CHAR':
    case 'UNEXPECTED_TOKEN':
      return { message: `${words}.`, next: 'Put text with : # [ ] { } , & * ! | > % @ or quotes in it into quotes.' }
    default:
      return { message: `${words}.` }
  }
}
