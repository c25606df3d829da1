import { describe, expect, it } from 'vitest'
import { mismatchesOf, mismatchText } from '#policy/mismatch.ts'
import { selects, type Device } from '#policy/select.ts'
import type { Select } from '#policy/model.ts'

const device: Device = {
  role: 'client',
  site: 'berlin',
  labels: { role: 'db' },
  facts: { os: { family: 'debian' }, addresses: ['10.0.0.1', '10.0.0.2'] },
}
const told = (select: Select | undefined, of: Device = device): string[] => mismatchesOf(select, of).map(mismatchText)

describe('why a policy is not meant for a device', () => {
  it('names each part that does not fit, with what it wants and what is there', () => {
    const select: Select = {
      sites: ['lyon', 'paris'],
      labels: { role: 'web', tier: '1' },
      facts: { 'os.family': 'suse', 'os.flavour': 'x', addresses: '10.0.0.3', os: 'debian' },
    }
    expect(told(select)).toEqual([
      'site: wanted lyon or paris, has berlin',
      'label role: wanted web, has db',
      'label tier: wanted 1, has none',
      'fact os.family: wanted suse, has debian',
      'fact os.flavour: wanted x, has none',
      'fact addresses: wanted 10.0.0.3, has 10.0.0.1, 10.0.0.2',
      'fact os: wanted debian, has more facts below it',
    ])
  })

  it('names the role where nothing selects a relay', () => {
    expect(told(undefined, { ...device, role: 'relay' })[0]).toMatch(/^role: wanted client.*, has relay$/)
  })

  it('is nothing exactly where the policy is meant for it', () => {
    const selections: (Select | undefined)[] = [
      undefined,
      {},
      { labels: { role: 'db' } },
      { sites: ['lyon'] },
      { facts: { addresses: '10.0.0.2' } },
    ]
    for (const role of ['client', 'relay', 'origin'] as const)
      for (const select of selections)
        expect(told(select, { ...device, role }).length === 0).toBe(selects(select, { ...device, role }))
  })
})
