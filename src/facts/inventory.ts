/** What a device has, as a tree of short texts and numbers: `facts.os.family` in a template or a `select`. */
export type FactValue = string | number | boolean | readonly string[] | { readonly [name: string]: FactValue }
export type Facts = Readonly<Record<string, FactValue>>

/** The fact at a dotted path such as `os.family`; undefined where there is none. */
export function factAt(facts: Facts, path: string): FactValue | undefined {
  let value: FactValue | undefined = facts
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, FactValue>)[name]
  }
  return value
}
