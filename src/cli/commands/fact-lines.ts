/** Facts as lines `os.family: debian`, for people; programs get the tree. */
import type { FactValue, Facts } from '#facts/inventory.ts'

export function factLines(facts: Facts, before: string = ''): string[] {
  return Object.entries(facts).flatMap(([name, value]: [string, FactValue]) => {
    const path = `${before}${name}`
    if (Array.isArray(value)) return value.length > 0 ? [`${path}: ${value.join(', ')}`] : []
    return typeof value === 'object' ? factLines(value as Facts, `${path}.`) : [`${path}: ${String(value)}`]
  })
}
