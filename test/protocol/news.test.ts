import { describe, expect, it } from 'vitest'
import { after, instant } from '#base/time.ts'
import type { LinkId } from '#protocol/link.ts'
import { News } from '#protocol/news.ts'
import { dutyChunks, haveMs, newsBatch, newsBatchMs, newsFirst, newsLaterMs } from '#protocol/params.ts'

const start = instant(0)
const soon = after(start, 3 * haveMs)
/** The few who hear first wait as long before they tell it on. */
const laterMs = newsLaterMs + 2 * 3 * haveMs
const links = (count: number): Set<LinkId> =>
  new Set(Array.from({ length: count }, (_, index) => (index + 1) as LinkId))

/** Nine are told, and hardly anything is missing. */
const nearly = { subscribers: 9, missing: 3 }
const much = { subscribers: 9, missing: 500 }

describe('news of chunks', () => {
  it('from the LAN are told to everybody at once, in order, and only once', () => {
    const news = new News()
    for (const index of [7, 2, 3]) news.add(start, index, false, nearly)
    expect(news.take(start, links(9)).size).toBe(0)
    expect([...news.take(soon, links(9)).values()]).toEqual(Array.from({ length: 9 }, () => [2, 3, 7]))
    expect([news.take(after(soon, 10_000), links(9)).size, news.nextWake()]).toEqual([0, undefined])
  })

  it('from over the line are told to a few first, and to the rest a moment later', () => {
    const news = new News()
    news.add(start, 4, true, nearly)
    const first = news.take(soon, links(20))
    expect([first.size, news.nextWake()]).toEqual([newsFirst, after(soon, laterMs)])
    const later = news.take(after(soon, laterMs), links(20))
    expect([...later.values()]).toEqual(Array.from({ length: 20 }, () => [4]))
    expect(news.nextWake()).toBeUndefined()
  })

  it('are heard first by different ones for different parts, so that all carry alike', () => {
    const heard = new Map<LinkId, number>()
    const news = new News()
    for (let part = 0; part < 300; part++) news.add(start, part * dutyChunks, true, nearly)
    for (const [link, indexes] of news.take(soon, links(20))) heard.set(link, indexes.length)
    expect([...heard.values()].reduce((sum, count) => sum + count)).toBe(300 * newsFirst)
    expect(Math.max(...heard.values())).toBeLessThan((3 * 300 * newsFirst) / 20)
  })

  it('are told to all at once where there are hardly more than those few', () => {
    const news = new News()
    news.add(start, 4, true, nearly)
    expect(news.take(soon, links(newsFirst + 1)).size).toBe(newsFirst + 1)
    expect(news.nextWake()).toBeUndefined()
  })

  it('wait for more while much is missing, but no longer than that', () => {
    const news = new News()
    news.add(start, 4, false, much)
    expect(news.nextWake()).toBe(after(start, newsBatchMs))
    news.add(soon, 5, false, much)
    expect([news.take(soon, links(9)).size, news.take(after(start, newsBatchMs), links(9)).size]).toEqual([0, 9])
    news.add(after(start, 5_000), 6, false, nearly)
    expect(news.nextWake()).toBe(after(start, 5_000 + 3 * haveMs))
  })

  it('go out as soon as they are a batch, and at once where little is missing by then', () => {
    const news = new News()
    for (let index = 0; index < newsBatch; index++) news.add(start, index, false, much)
    expect(news.nextWake()).toBe(soon)
    news.take(soon, links(9))
    news.add(soon, 99, false, much)
    news.add(after(soon, 400), 100, false, nearly)
    expect(news.nextWake()).toBe(after(soon, 400))
  })
})
