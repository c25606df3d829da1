import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parsePolicy } from '#policy/parse.ts'
import { policyJsonSchema, policySchema, resourceKinds } from '#policy/schema.ts'

const url = new URL('../../docs/policy.schema.json', import.meta.url)

describe('docs/policy.md', () => {
  it('shows only policies that are valid', () => {
    const document = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8')
    const samples = [...document.matchAll(/```yaml\n(\w[^`]*)```/g)].map((match) => match[1] ?? '')
    const event = 'BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260103T020000Z\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR\n'
    const files = { has: () => 1, text: (path: string) => (path.endsWith('.ics') ? event : 'x') }
    expect(samples).toHaveLength(5)
    for (const sample of samples) {
      const text = sample.startsWith('policy:') ? sample : `policy: a\n${sample}`
      expect(parsePolicy(text, files).problems).toEqual([])
    }
  })
})

describe('docs/policy.schema.json', () => {
  it('is what the schema says (UPDATE_SCHEMA=1 writes it)', () => {
    if (process.env['UPDATE_SCHEMA'] === '1') writeFileSync(url, policyJsonSchema())
    expect(readFileSync(url, 'utf8')).toBe(policyJsonSchema())
  })

  it('names every setting and every kind of resource, and allows no other', () => {
    const schema = JSON.parse(policyJsonSchema()) as {
      properties: Record<string, { items?: { properties: object; additionalProperties: boolean } }>
      additionalProperties: boolean
    }
    expect(Object.keys(schema.properties)).toEqual(Object.keys(policySchema.shape))
    expect(Object.keys(schema.properties['resources']?.items?.properties ?? {})).toEqual(Object.keys(resourceKinds))
    expect(schema.additionalProperties).toBe(false)
    expect(schema.properties['resources']?.items?.additionalProperties).toBe(false)
  })
})
