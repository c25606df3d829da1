/**
 * From what the schema found to sentences that a person can act on: which field, what it holds, what to write instead.
 * The wording of a leaf comes from `schema.ts`; the schema library's own words are never shown.
 */
import * as z from 'zod'
import { isFields } from '#base/guard.ts'
import { policySchema, resourceKinds } from './schema.ts'
import { policyFile } from './problem.ts'
import { nearest, suggest } from './suggestion.ts'
import type { PolicyCode, Problem } from './problem.ts'
import type { Path, PolicyDocument } from './document.ts'

/** The problems behind one issue of the schema: one, or one for each unknown key. */
export function problemsOf(issue: z.core.$ZodIssue, document: PolicyDocument): Problem[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, document))
  if (issue.code === 'invalid_key') {
    const wants = issue.issues[0]?.message ?? 'a name'
    return [
      problem(
        document,
        path,
        'key',
        'POLICY_VALUE_INVALID',
        `The key "${oneLine(String(path.at(-1)))}" must be ${wants}.`,
      ),
    ]
  }
  const value = valueAt(document.value, path)
  const key = String(path.at(-1) ?? '')
  if (value === undefined && isMisspelt(key, path.slice(0, -1), document)) return []
  if (value === null && isBeside(path, document)) return []
  if (value === undefined)
    return [
      problem(
        document,
        path.slice(0, -1),
        'value',
        'POLICY_VALUE_INVALID',
        `${spell(path.slice(0, -1))} has no "${key}".`,
        `Add ${key}: ${issue.message}.`,
      ),
    ]
  const message = `${spell(path)} must be ${issue.message}, not ${shown(value)}.`
  return [problem(document, path, 'value', 'POLICY_VALUE_INVALID', message, instead(issue, path, value, document))]
}

/** A problem of policy.yaml at a path. */
export function problem(
  document: PolicyDocument,
  path: Path,
  on: 'value' | 'key',
  code: PolicyCode,
  message: string,
  next?: string,
): Problem {
  return { file: policyFile, ...document.place(path, on), code, message, ...(next === undefined ? {} : { next }) }
}

/** A path as people write it: `resources[2].file.mode`. */
export function spell(path: Path): string {
  if (path.length === 0) return 'The policy'
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : `${text}${text ? '.' : ''}${oneLine(step)}`),
    '',
  )
}

/** The own value at a path of plain data. */
function valueAt(value: unknown, path: Path): unknown {
  let found = value
  for (const step of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined
    found = (found as Record<string | number, unknown>)[step]
  }
  return found
}

/** True where the key is there with a typing error, which is told already. */
function isMisspelt(key: string, parent: Path, document: PolicyDocument): boolean {
  const fields = valueAt(document.value, parent)
  const known = keysAt(parent)
  return (
    isFields(fields) && Object.keys(fields).some((other) => !known.includes(other) && nearest(other, known) === key)
  )
}

/** True for an empty kind of resource whose settings stand beside it, which is told already. */
function isBeside(path: Path, document: PolicyDocument): boolean {
  const resource = valueAt(document.value, path.slice(0, -1))
  if (path.length !== 3 || path[0] !== 'resources' || !isFields(resource)) return false
  return Object.keys(resource).some((key) => keysAt(path).includes(key))
}

function unknownKey(path: Path, key: string, document: PolicyDocument): Problem {
  const at = [...path, key]
  const isResource = path.length === 2 && path[0] === 'resources'
  if (!isResource) {
    const message = `${spell(path)} has no setting "${oneLine(key)}".`
    return problem(document, at, 'key', 'POLICY_KEY_UNKNOWN', message, suggest(key, keysAt(path)))
  }
  const fields = valueAt(document.value, path) as Record<string, unknown>
  const empty = Object.keys(fields).find((kind) => fields[kind] === null && Object.hasOwn(resourceKinds, kind))
  if (empty !== undefined && keysAt([...path, empty]).includes(key)) {
    const message = `"${key}" stands beside "${empty}", not inside it.`
    return problem(
      document,
      at,
      'key',
      'POLICY_KEY_UNKNOWN',
      message,
      `Indent the settings of ${empty} by two more spaces.`,
    )
  }
  const message = `There is no kind of resource "${oneLine(key)}".`
  return problem(document, at, 'key', 'POLICY_KIND_UNKNOWN', message, suggest(key, keysAt(path)))
}

/** What to write instead, where that can be said better than the message does. */
function instead(issue: z.core.$ZodIssue, path: Path, value: unknown, document: PolicyDocument): string | undefined {
  const key = String(path.at(-1) ?? '')
  if (issue.code === 'invalid_value' && typeof value === 'string') {
    const guess = nearest(value, issue.values.map(String))
    return guess === undefined ? undefined : `Did you mean "${guess}"?`
  }
  if (issue.code !== 'invalid_type') return undefined
  if (issue.expected === 'boolean' && typeof value === 'string' && /^(?:yes|no|on|off)$/i.test(value))
    return `Write ${/^(?:yes|on)$/i.test(value) ? 'true' : 'false'}.`
  if (value === null) return `Give ${key} a value, or leave it out.`
  if (issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    if (issue.message.startsWith('a duration'))
      return `Give it a unit: ${String(value)}s, ${String(value)}m or ${String(value)}h.`
    const spelling = document.spelling(path) ?? String(value)
    return typeof path.at(-1) === 'number'
      ? `Put it in quotes: "${spelling}".`
      : `Put it in quotes: ${key}: "${spelling}"`
  }
  if (issue.expected === 'array') return 'Write it as a list: each entry on its own line after "- ".'
  return undefined
}

function shown(value: unknown): string {
  if (value === null) return 'empty'
  if (typeof value === 'string') return value.length > 60 ? `"${value.slice(0, 57)}..."` : JSON.stringify(value)
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value}`
  if (typeof value === 'boolean') return String(value)
  return Array.isArray(value) ? `a list of ${value.length}` : 'a map'
}

/** A key in a sentence: a key may be any text, of any length, even a map. */
function oneLine(key: string): string {
  const line = key.replaceAll(/\s+/g, ' ')
  return line.length > 60 ? `${line.slice(0, 57)}...` : line
}

/** The keys that the schema knows at a path. */
function keysAt(path: Path): string[] {
  let schema: z.core.$ZodType | undefined = policySchema
  for (const step of path) {
    schema = unwrapped(schema)
    if (schema instanceof z.ZodObject) schema = (schema.shape as Record<string, z.core.$ZodType>)[step]
    else if (schema instanceof z.ZodArray) schema = schema.element
    else return []
  }
  schema = unwrapped(schema)
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

function unwrapped(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  return schema instanceof z.ZodOptional ? schema.unwrap() : schema
}
