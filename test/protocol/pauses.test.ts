import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { after, instant } from '#base/time.ts'
import type { LinkId } from '#protocol/link.ts'
import { pauseMs } from '#protocol/params.ts'
import { Pauses } from '#protocol/pauses.ts'

const link = 1 as LinkId
const start = instant(0)
const [a, b] = [sha256(utf8('a')), sha256(utf8('b'))]

describe('a pause', () => {
  it('ends after its time, once, and tells all that it was for', () => {
    const pauses = new Pauses()
    pauses.begin(start, link, a)
    pauses.begin(after(start, 500), link, b)
    expect([pauses.has(link), pauses.nextWake()]).toEqual([true, after(start, 500 + pauseMs)])
    expect([...pauses.end(after(start, pauseMs))]).toEqual([])
    expect([...pauses.end(after(start, 500 + pauseMs))]).toEqual([[link, new Set([a, b])]])
    expect([pauses.has(link), pauses.nextWake()]).toEqual([false, undefined])
  })

  it('is forgotten with its link', () => {
    const pauses = new Pauses()
    pauses.begin(start, link, a)
    pauses.down(link)
    expect([pauses.nextWake(), [...pauses.end(after(start, 10 * pauseMs))]]).toEqual([undefined, []])
  })
})
