/**
 * For whom a policy is meant. A client gets every policy whose select it fits, and every policy without one; a relay or
 * the origin gets only what selects it by its own labels, site or facts: by default they carry policies, and obey none.
 */
import { GuardFailed, fieldsAt, listAt, onlyKeys, own, textAt } from '#base/guard.ts'
import { Refused } from '#base/errors.ts'
import { factAt } from '#facts/inventory.ts'
import type { Facts, FactValue } from '#facts/inventory.ts'
import { factPathPattern, factTextPattern, selectEntriesMax, sitesMax, wordPattern } from './limits.ts'
import type { Select } from './model.ts'

/** What a select is compared with. */
export interface Device {
  readonly role: 'origin' | 'relay' | 'client'
  readonly site: string
  readonly labels: Readonly<Record<string, string>>
  readonly facts: Facts
}

/** Every label, the site and every fact must fit. A fact is compared as text; a list fits where it holds the text. */
export function selects(select: Select | undefined, device: Device): boolean {
  const labels = Object.entries(select?.labels ?? {})
  const facts = Object.entries(select?.facts ?? {})
  const sites = select?.sites
  if (labels.length === 0 && facts.length === 0 && sites === undefined) return device.role === 'client'
  if (sites !== undefined && !sites.includes(device.site)) return false
  return (
    labels.every(([name, value]) => Object.hasOwn(device.labels, name) && device.labels[name] === value) &&
    facts.every(([path, value]) => fits(factAt(device.facts, path), value))
  )
}

/** The select in the signed custom data of a bundle. Refused SELECT_INVALID names the field; the bundle is then for nobody. */
export function readSelect(value: unknown): Select | undefined {
  if (value === undefined) return undefined
  try {
    const fields = fieldsAt(value, 'select')
    onlyKeys(fields, 'select', ['labels', 'sites', 'facts'])
    const labels = own(fields, 'labels')
    const sites = own(fields, 'sites')
    const facts = own(fields, 'facts')
    return {
      ...(labels === undefined ? {} : { labels: textsAt(labels, 'select.labels', wordPattern, wordPattern) }),
      ...(sites === undefined
        ? {}
        : {
            sites: listAt(sites, 'select.sites', sitesMax).map((site) => textAt(site, 'select.sites', 63, wordPattern)),
          }),
      ...(facts === undefined ? {} : { facts: textsAt(facts, 'select.facts', factPathPattern, factTextPattern) }),
    }
  } catch (error) {
    if (!(error instanceof GuardFailed)) throw error
    throw new Refused('SELECT_INVALID', {
      message: `The select of a bundle is not valid: ${error.message}.`,
      where: error.path,
    })
  }
}

function fits(fact: FactValue | undefined, wanted: string): boolean {
  if (typeof fact === 'object') return Array.isArray(fact) && fact.includes(wanted)
  return fact !== undefined && String(fact) === wanted
}

function textsAt(value: unknown, path: string, key: RegExp, text: RegExp): Readonly<Record<string, string>> {
  const fields = fieldsAt(value, path)
  const entries = listAt(Object.entries(fields), path, selectEntriesMax) as [string, unknown][]
  return Object.fromEntries(
    entries.map(([name, item]) => [
      textAt(name, `${path} (name)`, 600, key),
      textAt(item, `${path}.${name}`, 128, text),
    ]),
  )
}
