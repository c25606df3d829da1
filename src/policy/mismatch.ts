/** Why a policy is not meant for a device: each part of its select that does not fit, with what it wants and what the device has. */
import { factAt, type FactValue } from '#facts/inventory.ts'
import type { Select } from './model.ts'
import { selects, type Device } from './select.ts'

export interface Mismatch {
  readonly part: 'role' | 'site' | 'label' | 'fact'
  /** Of a label or fact; as `part` for the others. */
  readonly name: string
  readonly wanted: string
  /** Null where the device has nothing of that name. */
  readonly has: string | null
}

/** Empty if and only if `selects` says that it is meant for the device. */
export function mismatchesOf(select: Select | undefined, device: Device): Mismatch[] {
  if (selects(select, device)) return []
  const { labels = {}, facts = {}, sites } = select ?? {}
  const found: Mismatch[] = []
  if (sites && !sites.includes(device.site))
    found.push({ part: 'site', name: 'site', wanted: sites.join(' or '), has: device.site })
  const ask = (part: 'label' | 'fact', name: string, value: string): void => {
    const alone: Select = part === 'label' ? { labels: { [name]: value } } : { facts: { [name]: value } }
    if (selects(alone, device)) return
    const has = part === 'label' ? ownText(device.labels, name) : textOf(factAt(device.facts, name))
    found.push({ part, name, wanted: value, has })
  }
  for (const [name, value] of Object.entries(labels)) ask('label', name, value)
  for (const [name, value] of Object.entries(facts)) ask('fact', name, value)
  if (found.length > 0) return found
  return [
    {
      part: 'role',
      name: 'role',
      wanted: 'client, or a select that names its labels, site or facts',
      has: device.role,
    },
  ]
}

/** `label role: wanted web, has db`. */
export const mismatchText = ({ part, name, wanted, has }: Mismatch): string =>
  `${part === name ? part : `${part} ${name}`}: wanted ${wanted}, ${has === null ? 'has none' : `has ${has}`}`

const ownText = (texts: Readonly<Record<string, string>>, name: string): string | null =>
  Object.hasOwn(texts, name) ? (texts[name] ?? null) : null

function textOf(fact: FactValue | undefined): string | null {
  if (fact === undefined) return null
  if (typeof fact !== 'object') return String(fact)
  return Array.isArray(fact) ? fact.join(', ') : 'more facts below it'
}
