/**
 * What is left of a faulty policy when each setting that the schema refuses is taken out, so that one check finds what is
 * wrong with the rest as well: a wrong mode does not hide that the template beside it is missing.
 */
import type * as z from 'zod'
import { isFields } from '#base/guard.ts'
import { policySchema } from './schema.ts'
import type { Path } from './document.ts'
import type { PolicyText } from './schema.ts'

export interface SoundParts {
  /** Fits the schema, but for list entries that are undefined because too little of them was left. */
  readonly text: PolicyText
  readonly issues: readonly z.core.$ZodIssue[]
  /** Paths of at most two steps, joined by a dot, below which something was taken out: `resources.3`. */
  readonly trimmed: ReadonlySet<string>
}

export function soundParts(value: unknown): SoundParts {
  const first = policySchema.safeParse(value)
  // Not its copy but the value itself: the schema changes nothing in it but the order of keys, which faults are told in.
  if (first.success) return { text: value as PolicyText, issues: [], trimmed: new Set() }
  const { issues } = first.error
  const copy: unknown = structuredClone(value)
  const trimmed = new Set<string>()
  for (const issue of issues) {
    const path = issue.path as (string | number)[]
    trimmed.add(path.slice(0, 2).join('.'))
    const faulty = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path]
    for (const at of faulty) remove(copy, at)
  }
  const second = policySchema.safeParse(copy)
  // What is still refused lacks a setting that it needs: it goes as a whole, a list entry without moving the others.
  for (const issue of second.error?.issues ?? []) removeWhole(copy, issue.path as (string | number)[])
  return { text: (isFields(copy) ? copy : {}) as PolicyText, issues, trimmed }
}

function removeWhole(policy: unknown, path: Path): void {
  const [key] = path
  if (key === undefined || !isFields(policy)) return
  remove(policy, Array.isArray(policy[key]) ? path.slice(0, 2) : [key])
}

/** Deletes a member of a map; makes an item of a list undefined, so that the others keep their index. */
function remove(value: unknown, path: Path): void {
  let parent = value
  for (const step of path.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null) return
    parent = (parent as Record<string | number, unknown>)[step]
  }
  const last = path.at(-1)
  if (typeof parent !== 'object' || parent === null || last === undefined) return
  if (Array.isArray(parent)) (parent as unknown[])[Number(last)] = undefined
  else delete (parent as Record<string | number, unknown>)[last]
}
