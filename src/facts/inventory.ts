/**
 * What a device has, as a tree of short texts and numbers: `facts.os.family` in a template or a `select`. A tree from
 * another party is read by `readFacts`, which bounds its depth, its size and every text in it.
 */
import { GuardFailed, isFields } from '#base/guard.ts'
import { Refused } from '#base/errors.ts'

export type FactValue = string | number | boolean | readonly string[] | { readonly [name: string]: FactValue }
export type Facts = Readonly<Record<string, FactValue>>

/** Values in one tree: texts, numbers, objects, and the items of lists. */
const factsMax = 500
const factDepthMax = 8
const factLengthMax = 1024
const factName = /^[^\p{Cc}]{1,64}$/u

/** The fact at a dotted path such as `os.family`; undefined where there is none. */
export function factAt(facts: Facts, path: string): FactValue | undefined {
  let value: FactValue | undefined = facts
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, FactValue>)[name]
  }
  return value
}

/** The facts in decoded JSON. Refused FACTS_INVALID names the fact that is too deep, too long, too much or of no known type. */
export function readFacts(value: unknown): Facts {
  try {
    return factsAt(value, 'facts')
  } catch (error) {
    if (!(error instanceof GuardFailed)) throw error
    throw new Refused('FACTS_INVALID', { message: `The facts are not valid: ${error.message}.`, where: error.path })
  }
}

/** The same for a part of a larger document; throws GuardFailed. */
export function factsAt(value: unknown, path: string): Facts {
  if (!isFields(value)) throw new GuardFailed(path, 'an object')
  return treeAt(value, path, 1, { left: factsMax }) as Facts
}

function treeAt(value: unknown, path: string, depth: number, budget: { left: number }): FactValue {
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
    return spend(value, path, budget)
  if (typeof value === 'string') return spend(shortTextAt(value, path), path, budget)
  if (Array.isArray(value)) {
    if (value.length > factsMax) throw new GuardFailed(path, `a list of at most ${factsMax}`)
    return value.map((item: unknown) => spend(shortTextAt(item, path), path, budget))
  }
  if (!isFields(value)) throw new GuardFailed(path, 'a text, a number, true, false, a list of texts or an object')
  if (depth > factDepthMax) throw new GuardFailed(path, `at most ${factDepthMax} levels`)
  spend(true, path, budget)
  // fromEntries defines members, so that a fact called __proto__ is an ordinary one.
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      if (!factName.test(name)) throw new GuardFailed(path, 'names of 1 to 64 printable characters')
      return [name, treeAt(item, `${path}.${name}`, depth + 1, budget)]
    }),
  )
}

function spend<T>(value: T, path: string, budget: { left: number }): T {
  if (--budget.left < 0) throw new GuardFailed(path, `at most ${factsMax} facts in all`)
  return value
}

function shortTextAt(value: unknown, path: string): string {
  if (typeof value !== 'string' || value.length > factLengthMax)
    throw new GuardFailed(path, `a text of at most ${factLengthMax} characters`)
  return value
}
