/** One member whose exchange a test drives, with two neighbours to be played: state that each test sets anew with `begin`. */
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { MemberEffect } from '#member/member.ts'
import { Bitmap } from '#protocol/bitmap.ts'
import type { FetchEnd, LinkId } from '#protocol/link.ts'
import type { Message } from '#protocol/wire.ts'
import { addressOf, of, Site, Stage, type Person } from './site.ts'

export let site: Site
export let stage: Stage
export let bob: Person
export let carol: Person
export const far = addressOf(200)
export const digestOf = (label: string): Digest => sha256(utf8(label))
export const small: ContentRef = { digest: digestOf('small'), length: 1_000 }
export const large: ContentRef = {
  digest: digestOf('large'),
  length: 320_000,
  list: { digest: digestOf('list'), length: 360 },
}
export const completed: Digest[] = []

/** Sets the stage anew. */
/** Puts another member on the stage. */
export const replaceStage = (next: Stage): Stage => (stage = next)

export function begin(): void {
  site = new Site()
  stage = new Stage(site, site.person('alice'))
  bob = site.person('bob')
  carol = site.person('carol')
  completed.length = 0
  stage.start()
}

const turn = (into: MemberEffect[]) => ({
  now: stage.now,
  out: (effect: MemberEffect): void => void into.push(effect),
  notify: (notice: { type: string; content?: Digest }): void => {
    if (notice.type === 'complete' && notice.content) completed.push(notice.content)
  },
})
export function want(ref: ContentRef, priority = 20): MemberEffect[] {
  const effects: MemberEffect[] = []
  stage.member.protocol.want(turn(effects), ref, priority)
  stage.effects.push(...effects)
  return effects
}
export function unwant(digest: Digest): MemberEffect[] {
  const effects: MemberEffect[] = []
  stage.member.protocol.unwant(turn(effects), digest)
  stage.effects.push(...effects)
  return effects
}
/** The store opened a content, in which these chunks were. */
export function opened(ref: ContentRef, chunks: number, ...here: number[]): MemberEffect[] {
  const have = new Bitmap(chunks)
  for (const index of here) have.add(index)
  return stage.feed({ type: 'opened', content: ref.digest, chunks, have: have.bytes })
}
export const all = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
export const fetches = (effects: readonly MemberEffect[]) => of('fetch', effects)
export const chunk = (fetch: number, index: number, verdict: 'stored' | 'already' | 'wrong' | 'unstored' = 'stored') =>
  stage.feed({ type: 'chunk', fetch, index, bytes: 32_000, verdict })
export const ended = (fetch: number, end: FetchEnd) => stage.feed({ type: 'fetch-ended', fetch, end })
export const have = (link: LinkId, ref: ContentRef, chunks: number, ...here: number[]): MemberEffect[] => {
  const bits = new Bitmap(chunks)
  for (const index of here) bits.add(index)
  return stage.say(link, { t: 'have', content: ref.digest, chunks, ...(here.length > 0 && { bits: bits.bytes }) })
}
export const told = (link: LinkId, effects: readonly MemberEffect[] = stage.effects): Message[] =>
  stage.said(link, effects).filter(({ t }) => ['want', 'unwant', 'have', 'more'].includes(t))
export const isSpinning = (): boolean => (stage.member.nextWake() ?? Infinity) <= stage.now
