import { describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import { whyText } from '#cli/commands/why.ts'
import type { WhyContent, WhyDocument } from '#node/why.ts'

const none = { downBytes: 0, upBytes: 0, duplicateBytes: 0, duplicates: {}, peers: [] }
const content = (label: string, downBytes: number): WhyContent => ({
  ...none,
  content: sha256(utf8(label)),
  name: label,
  bundle: 'web',
  version: 3,
  what: 'file',
  path: null,
  downBytes,
})
const document: WhyDocument = {
  since: '2026-03-06T16:00:00.000Z',
  downBytes: 3_072,
  upBytes: 10,
  neededBytes: 2_048,
  factor: 1.5,
  controlBytes: 522,
  duplicateBytes: 1_024,
  duplicates: { 'lease-expired': 1_024 },
  control: [
    { ...none, kind: 'hello', downBytes: 512, upBytes: 10 },
    { ...none, kind: 'gossip' },
  ],
  contents: [{ ...content('web 3: a', 2_560), duplicateBytes: 1_024 }],
  older: { ...none, contents: 0 },
}

describe('the text of why', () => {
  it('answers where the line went, with the reason of what came in vain', () => {
    expect(whyText(document)).toEqual([
      'Over the line since 2026-03-06 16:00 UTC: 3.0 KiB down, 1.5 times the 2.0 KiB needed; 10 B up; 1.0 KiB in vain (lease expired 1.0 KiB).',
      '',
      'DOWN     UP    IN VAIN  CONTENT       WHAT',
      `2.5 KiB  0 B   1.0 KiB  ${sha256(utf8('web 3: a')).slice(0, 12)}  web 3: a`,
      '512 B    10 B  0 B                    messages: hello',
      '3.0 KiB  10 B  1.0 KiB                all',
    ])
  })

  it('sums what a person does not want to read', () => {
    const contents = Array.from({ length: 23 }, (_, number) => content(`web 3: ${number}`, 1_024))
    const lines = whyText({ ...document, contents, older: { ...none, contents: 4, downBytes: 2_048 } })
    expect(lines.filter((line) => line.includes('web 3: '))).toHaveLength(20)
    expect(lines).toContainEqual(expect.stringMatching(/^3\.0 KiB .* 3 more contents$/))
    expect(lines).toContainEqual(expect.stringMatching(/^2\.0 KiB .* 4 older contents$/))
  })
})
