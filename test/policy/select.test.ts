import { describe, expect, it } from 'vitest'
import { Refused } from '#base/errors.ts'
import { readSelect, selects } from '#policy/select.ts'
import type { Device } from '#policy/select.ts'

const client: Device = {
  role: 'client',
  site: 'berlin',
  labels: { role: 'web', tier: '1' },
  facts: { os: { family: 'debian', major: 12 }, virtual: true, addresses: ['10.0.0.1', '10.0.0.2'] },
}
const relay: Device = { ...client, role: 'relay', labels: { role: 'relay' } }
const origin: Device = { ...client, role: 'origin', labels: {} }

describe('a policy without select', () => {
  it.each([undefined, {}, { labels: {} }, { facts: {} }])(
    '(%j) is meant for every client and for nobody else',
    (select) => {
      expect([client, relay, origin].map((device) => selects(select, device))).toEqual([true, false, false])
    },
  )
})

describe('a select', () => {
  it('wants every label, one of the sites and every fact', () => {
    const select = { labels: { role: 'web', tier: '1' }, sites: ['lyon', 'berlin'], facts: { 'os.family': 'debian' } }
    expect(selects(select, client)).toBe(true)
    expect(selects({ ...select, labels: { role: 'web', tier: '2' } }, client)).toBe(false)
    expect(selects({ ...select, sites: ['lyon'] }, client)).toBe(false)
    expect(selects({ ...select, facts: { 'os.family': 'suse' } }, client)).toBe(false)
    expect(selects({ labels: { zone: 'a' } }, client)).toBe(false)
  })

  it('takes a relay or the origin in by their own labels or site', () => {
    expect(selects({ labels: { role: 'relay' } }, relay)).toBe(true)
    expect(selects({ sites: ['berlin'] }, origin)).toBe(true)
    expect(selects({ labels: { role: 'relay' } }, origin)).toBe(false)
  })

  it('compares facts as text: numbers, true, and any item of a list', () => {
    expect(selects({ facts: { 'os.major': '12', virtual: 'true', addresses: '10.0.0.2' } }, client)).toBe(true)
    expect(selects({ facts: { addresses: '10.0.0.3' } }, client)).toBe(false)
    expect(selects({ facts: { os: '[object Object]' } }, client)).toBe(false)
    expect(selects({ facts: { 'os.toString': 'x' } }, client)).toBe(false)
  })

  it('never fits by an inherited label', () => {
    expect(selects({ labels: { constructor: 'x' } }, client)).toBe(false)
  })

  it('of no site fits nobody', () => {
    expect(selects({ sites: [] }, client)).toBe(false)
  })
})

describe('the select in signed metadata', () => {
  it('is read as it was written, and absent stays absent', () => {
    const select = { labels: { role: 'web' }, sites: ['berlin'], facts: { 'os.family': 'debian' } }
    expect(readSelect(JSON.parse(JSON.stringify(select)))).toEqual(select)
    expect(readSelect(undefined)).toBeUndefined()
  })

  it.each([
    ['a text', 'web'],
    ['an unknown member', { hosts: ['a'] }],
    ['a label that is no word', { labels: { role: 'a b' } }],
    ['a number for a label', { labels: { role: 1 } }],
    ['a site that is no word', { sites: [''] }],
    ['too many sites', { sites: Array.from({ length: 257 }, () => 'a') }],
    ['too many labels', { labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, 'a'])) }],
    ['a fact path that is none', { facts: { 'os..family': 'x' } }],
    ['null', null],
  ])('with %s is refused', (_, value) => {
    expect(() => readSelect(value)).toThrowError(
      expect.objectContaining({ name: Refused.name, code: 'SELECT_INVALID' }),
    )
  })
})
