import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, shortDigest } from '#base/digest.ts'
import { Trace } from '#sim/trace.ts'

const content = sha256(utf8('content'))

describe('a trace', () => {
  it('tells each input and effect on one line, with short names for digests and bytes', () => {
    const trace = new Trace(true)
    trace.note(1_500_000, 'berlin-client-0', '<', { type: 'wake' })
    trace.note(1_500_001, 'berlin-client-0', '>', { type: 'fetch', link: 3, run: { content, first: 0, count: 2 } })
    trace.note(2_000_000, 'origin', '>', { type: 'send', link: 1, bytes: Uint8Array.of(1, 2) })
    expect(trace.lines).toEqual([
      '1.500000 berlin-client-0 < wake',
      `1.500001 berlin-client-0 > fetch link=3 run={"content":"${shortDigest(content)}","first":0,"count":2}`,
      `2.000000 origin > send link=1 bytes=2B:${shortDigest(sha256(Uint8Array.of(1, 2)))}`,
    ])
  })

  it('shows maps, bytes within and what is absent', () => {
    const trace = new Trace(true)
    trace.note(0, 'x', '<', {
      type: 'metadata',
      pack: { roles: new Map([['mesh', Uint8Array.of(1)]]) },
      more: undefined,
    })
    expect(trace.lines[0]).toMatch(
      /^0\.000000 x < metadata pack=\{"roles":\[\["mesh","1B:[0-9a-f]+"\]\]\} more=undefined$/,
    )
  })

  it('has the same hash whether its lines are kept or not, and another one where a byte differs', () => {
    const hashes = [true, false].map((keep) => {
      const trace = new Trace(keep)
      trace.note(5, 'x', '<', { type: 'message', bytes: Uint8Array.of(1) })
      return trace.hash()
    })
    const other = new Trace(false)
    other.note(5, 'x', '<', { type: 'message', bytes: Uint8Array.of(2) })
    expect(hashes[0]).toBe(hashes[1])
    expect(other.hash()).not.toBe(hashes[0])
    expect(new Trace(false).lines).toEqual([])
  })
})
