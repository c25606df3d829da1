import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { after, day, hour, instant, minute, toDate, type Instant } from '#base/time.ts'
import { Agent, type AgentEffect, type AgentInput } from '#agent/agent.ts'
import type { SignedBundle } from '#agent/assignment.ts'
import { Journal } from '#agent/journal.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { encodeManifest } from '#content/manifest.ts'
import type { Report } from '#facts/report.ts'
import type { Device } from '#policy/select.ts'

const start = instant(Date.UTC(2026, 2, 6, 16))
let now: Instant
let agent: Agent
let journal: Journal
let effects: AgentEffect[]
const manifests = new Map<string, { bytes: Uint8Array; contents: ContentRef[] }>()

function restart(device: Partial<Omit<Device, 'facts'>> = {}, kept = journal): void {
  journal = kept
  effects = []
  agent = new Agent({ device: { role: 'client', site: 'berlin', labels: { role: 'web' }, ...device }, journal })
}
beforeEach(() => {
  now = start
  restart({}, Journal.replay([]))
})

function feed(input: AgentInput): AgentEffect[] {
  const before = effects.length
  agent.handle(input, now, (effect) => effects.push(effect))
  return effects.slice(before)
}
/** Lets time pass, waking the agent whenever it wants. */
function pass(ms: number): AgentEffect[] {
  const before = effects.length
  const until = after(now, ms)
  let wakes = 0
  for (let next = agent.nextWake(); next !== undefined && next <= until; next = agent.nextWake()) {
    expect(wakes++, 'wakes').toBeLessThan(1_000)
    now = instant(Math.max(now, next))
    feed({ type: 'wake' })
  }
  now = until
  return effects.slice(before)
}
const of = <Type extends AgentEffect['type']>(type: Type, from: readonly AgentEffect[] = effects) =>
  from.filter((effect): effect is Extract<AgentEffect, { type: Type }> => effect.type === type)

/** A signed bundle with a manifest of so many contents. */
function bundle(name: string, version = 1, custom: Record<string, unknown> = {}, contents = 1): SignedBundle {
  const refs = Array.from({ length: contents }, (_, index): ContentRef => {
    const digest = sha256(utf8(`${name} ${version} ${index}`))
    return { digest, length: 100 }
  })
  const bytes = encodeManifest({ name, version, contents: refs, files: [] })
  const digest = sha256(bytes)
  manifests.set(digest, { bytes, contents: refs })
  return { name, version, manifest: { digest, length: bytes.byteLength }, custom }
}
const digestOf = (signed: SignedBundle): Digest => signed.manifest.digest as Digest
let release = 0
const publish = (...bundles: SignedBundle[]): AgentEffect[] => feed({ type: 'release', release: ++release, bundles })
/** The manifest and all contents of a bundle come. */
function deliver(signed: SignedBundle): AgentEffect[] {
  const before = effects.length
  const { bytes, contents } = manifests.get(digestOf(signed)) ?? { bytes: undefined, contents: [] }
  feed({ type: 'complete', content: digestOf(signed) })
  feed({ type: 'manifest', content: digestOf(signed), bytes })
  for (const { digest } of contents) feed({ type: 'complete', content: digest })
  return effects.slice(before)
}
const prepared = (name: string, version = 1): AgentEffect[] =>
  feed({ type: 'prepared', name, version, outcome: { type: 'prepared', engine: 'cfengine' } })
const applied = (name: string, version = 1, outcome: 'kept' | 'failed' = 'kept'): AgentEffect[] =>
  feed({
    type: 'applied',
    name,
    version,
    outcome: { type: 'results', results: [{ id: '0:file:/x', kind: 'file', outcome }] },
  })
const state = (name: string): string | undefined => agent.status().find((status) => status.name === name)?.state
const reports = (from: readonly AgentEffect[] = effects): Report[] => of('report', from).map(({ report }) => report)
/** A window that opens so much later, for an hour. */
const windowIn = (ms: number): Record<string, unknown> => ({
  windows: [{ start: toDate(after(now, ms)).slice(0, 19), durationMs: hour, zone: 'UTC' }],
})

describe('the way of a bundle', () => {
  it('leads from the signed target over its manifest and contents to prepare, apply and report', () => {
    feed({ type: 'facts', facts: { hostname: 'x' } })
    const web = bundle('web', 1, {}, 2)
    expect(of('want', publish(web)).map(({ ref }) => ref.digest)).toEqual([digestOf(web)])
    expect(of('read-manifest', feed({ type: 'complete', content: digestOf(web) }))).toHaveLength(1)
    const { bytes, contents } = manifests.get(digestOf(web)) ?? { bytes: undefined, contents: [] }
    expect(of('want', feed({ type: 'manifest', content: digestOf(web), bytes })).map(({ ref }) => ref)).toEqual(
      contents,
    )
    expect(state('web')).toBe('fetching')
    for (const { digest } of contents) feed({ type: 'complete', content: digest })
    expect(of('prepare')).toEqual([{ type: 'prepare', name: 'web', version: 1, manifest: expect.anything() }])
    expect(of('apply', prepared('web'))).toEqual([{ type: 'apply', name: 'web', version: 1 }])
    applied('web')
    expect(state('web')).toBe('applied')
    pass(1_000)
    expect(reports().at(-1)?.bundles).toMatchObject([{ name: 'web', version: 1, state: 'applied', engine: 'cfengine' }])
  })

  it('with nothing in it but its manifest needs no content', () => {
    const web = bundle('web', 1, {}, 0)
    publish(web)
    expect(of('prepare', deliver(web))).toHaveLength(1)
  })

  it('whose contents are shared with another waits for them, and both go on', () => {
    const [a, b] = [bundle('a'), bundle('b')]
    const shared = manifests.get(digestOf(a))?.contents ?? []
    const bytes = encodeManifest({ name: 'b', version: 1, contents: shared, files: [] })
    const twin = { ...b, manifest: { digest: sha256(bytes), length: bytes.byteLength } }
    manifests.set(twin.manifest.digest, { bytes, contents: [] })
    publish(a, twin)
    deliver(twin)
    deliver(a)
    prepared('a')
    applied('a')
    expect(of('prepare').map(({ name }) => name)).toEqual(['a', 'b'])
  })

  it('goes one at a time through the engine', () => {
    const [a, b] = [bundle('a'), bundle('b')]
    publish(a, b)
    deliver(a)
    deliver(b)
    expect(of('prepare').map(({ name }) => name)).toEqual(['a'])
    prepared('a')
    expect([of('prepare').length, of('apply').length]).toEqual([1, 1])
    applied('a')
    expect(of('prepare').map(({ name }) => name)).toEqual(['a', 'b'])
  })
})

describe('whom a bundle is meant for', () => {
  it('is known by facts only once they are here, also when they come after the release', () => {
    publish(bundle('web', 1, { select: { facts: { 'os.family': 'debian' } } }))
    expect(agent.status()).toEqual([])
    feed({ type: 'facts', facts: { os: { family: 'debian' } } })
    expect(state('web')).toBe('fetching')
  })

  it('ends when facts say otherwise: what is under way is let go, and the origin hears of it', () => {
    const web = bundle('web', 1, { select: { facts: { rack: 'r1' } } })
    feed({ type: 'facts', facts: { rack: 'r1' } })
    publish(web)
    pass(1_000)
    const gone = feed({ type: 'facts', facts: { rack: 'r2' } })
    expect(of('unwant', gone).map(({ content }) => content)).toEqual([digestOf(web)])
    expect(reports(pass(1_000)).at(-1)?.bundles).toEqual([])
  })

  it('is nobody where the signed target is not understood: a newer origin may say more', () => {
    publish(bundle('a', 1, { select: { moon: 'full' } }), bundle('b', 1, { windows: 'never' }), bundle('c'))
    expect(agent.status().map(({ name }) => name)).toEqual(['c'])
  })

  it('for a relay is what selects it; the rest it holds for its site, and applies none of that', () => {
    restart({ role: 'relay' })
    const [mine, theirs, lyon] = [
      bundle('mine', 1, { select: { labels: { role: 'web' } } }),
      bundle('theirs'),
      bundle('lyon', 1, { select: { sites: ['lyon'] } }),
    ]
    publish(mine, theirs, lyon)
    expect(of('want').map(({ ref }) => ref.digest)).toEqual([digestOf(mine), digestOf(theirs)])
    deliver(theirs)
    expect([of('prepare'), agent.status().map(({ name }) => name)]).toEqual([[], ['mine']])
  })

  it('for a client that acts for its site is held as by a relay, and let go when it no longer does', () => {
    const theirs = bundle('theirs', 1, { select: { labels: { role: 'db' } } })
    publish(theirs)
    expect(of('want')).toEqual([])
    expect(of('want', feed({ type: 'carry', carries: true })).map(({ ref }) => ref.digest)).toEqual([digestOf(theirs)])
    expect(of('unwant', feed({ type: 'carry', carries: false })).map(({ content }) => content)).toEqual([
      digestOf(theirs),
    ])
  })
})

describe('a new release', () => {
  it('that changes nothing for a bundle disturbs nothing of it', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    prepared('web')
    expect(publish(web, bundle('other', 1, { select: { labels: { role: 'db' } } }))).toEqual([])
  })

  it('with a newer version lets go of what only the older needed, and takes up the newer', () => {
    const [old, next] = [bundle('web', 1), bundle('web', 2)]
    publish(old)
    const changes = publish(next)
    expect(of('unwant', changes).map(({ content }) => content)).toEqual([digestOf(old)])
    expect(of('want', changes).map(({ ref }) => ref.digest)).toEqual([digestOf(next)])
  })

  it('while the older version is being applied waits for the engine, and takes no result of the older for its own', () => {
    const [old, next] = [bundle('web', 1), bundle('web', 2)]
    publish(old)
    deliver(old)
    prepared('web')
    publish(next)
    deliver(next)
    expect(of('prepare').map(({ version }) => version)).toEqual([1])
    applied('web', 1)
    expect([of('prepare').map(({ version }) => version), state('web')]).toEqual([[1, 2], 'preparing'])
  })

  it('that withdraws a bundle while it is prepared or applied takes no notice of how that ends', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    publish()
    expect(prepared('web')).toEqual([])
    publish(web)
    deliver(web)
    prepared('web')
    publish()
    applied('web')
    expect([agent.status(), of('apply').length]).toEqual([[], 1])
    feed({ type: 'facts', facts: {} })
    expect(reports(pass(1_000)).at(-1)?.bundles).toEqual([])
  })

  it('that withdraws a bundle is told to the origin, which would show it for ever', () => {
    feed({ type: 'facts', facts: {} })
    publish(bundle('web'))
    pass(1_000)
    publish()
    expect(reports(pass(1_000)).at(-1)?.bundles).toEqual([])
  })

  it('that withdraws a bundle and brings it back while it is applied does not take a failure for one of its own', () => {
    const web = bundle('web', 1, windowIn(-60_000))
    publish(web)
    deliver(web)
    prepared('web')
    publish()
    publish(web)
    applied('web', 1, 'failed')
    expect(state('web')).not.toBe('failed')
    pass(2 * day)
    expect(agent.nextWake()).toBeUndefined()
  })
})

describe('a failure', () => {
  const failedPrepare = (): AgentEffect[] =>
    feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'failed', reason: 'disk full' } })

  it('of prepare is tried again later and later, up to an hour apart, and says why', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    const pauses: number[] = []
    for (let time = 0; time < 9; time++) {
      failedPrepare()
      expect(agent.status()[0]).toMatchObject({ state: 'failed', reason: 'disk full', prepared: false })
      const failedAt = now
      while (of('prepare', pass(minute)).length === 0) expect(now - failedAt).toBeLessThanOrEqual(hour)
      pauses.push(now - failedAt)
    }
    expect([pauses[0], pauses[1], pauses.at(-1)]).toEqual([minute, 2 * minute, hour])
    prepared('web')
    expect(agent.status()[0]).toMatchObject({ state: 'applying', reason: undefined })
  })

  it('of apply is tried again within the window, and not outside it', () => {
    const web = bundle('web', 1, windowIn(0))
    publish(web)
    deliver(web)
    prepared('web')
    applied('web', 1, 'failed')
    expect(agent.status()[0]).toMatchObject({ state: 'failed', reason: '0:file:/x', prepared: true })
    expect(of('apply', pass(minute))).toHaveLength(1)
    for (let time = 0; time < 20; time++) {
      applied('web', 1, 'failed')
      pass(10 * minute)
    }
    const late = of('apply').length
    expect(of('apply', pass(10 * day)).length + late).toBe(late)
  })

  it('because the prepared folder is gone leads back to prepare', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    prepared('web')
    feed({ type: 'applied', name: 'web', version: 1, outcome: { type: 'failed', reason: 'gone', unprepared: true } })
    expect(of('prepare', pass(minute))).toHaveLength(1)
  })

  it('for want of an engine blocks, and prepares again until there is one', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'engine-missing', reason: 'no engine' } })
    expect(agent.status()[0]).toMatchObject({ state: 'blocked', reason: 'no engine', prepared: true })
    expect(of('prepare', pass(minute))).toHaveLength(1)
    expect(of('apply', prepared('web'))).toHaveLength(1)
  })

  it('of a signed manifest that makes no sense stands until a new version, and says why', () => {
    const web = bundle('web')
    publish(web)
    feed({ type: 'manifest', content: digestOf(web), bytes: utf8('{}') })
    expect(state('web')).toBe('failed')
    expect(agent.status()[0]?.reason).toContain('manifest')
    expect(of('prepare', pass(day))).toEqual([])
    publish(bundle('web', 2))
    expect(state('web')).toBe('fetching')
  })

  it('to read a manifest that is here is tried again: the bundle does not wait for ever', () => {
    const web = bundle('web')
    publish(web)
    feed({ type: 'complete', content: digestOf(web) })
    feed({ type: 'manifest', content: digestOf(web), bytes: undefined })
    expect(agent.status()[0]).toMatchObject({ state: 'fetching', reason: 'its manifest could not be read' })
    expect(of('read-manifest', pass(minute))).toHaveLength(1)
    expect(of('prepare', deliver(web))).toHaveLength(1)
    expect(agent.status()[0]?.reason).toBeUndefined()
  })
})

describe('a window', () => {
  it('keeps a prepared bundle until it opens, and tells the engine when it closes', () => {
    const web = bundle('web', 1, windowIn(2 * hour))
    publish(web)
    deliver(web)
    prepared('web')
    expect(of('apply', pass(2 * hour - 1))).toEqual([])
    expect(of('apply', pass(1))).toEqual([{ type: 'apply', name: 'web', version: 1, closes: after(start, 3 * hour) }])
  })

  it('that is over while the engine was busy is not entered late', () => {
    const [a, b] = [bundle('a'), bundle('b', 1, windowIn(0))]
    publish(a, b)
    deliver(a)
    deliver(b)
    prepared('a')
    now = after(now, 2 * hour)
    applied('a')
    prepared('b')
    expect([state('b'), of('apply').map(({ name }) => name)]).toEqual(['prepared', ['a']])
  })

  it('with prepare.ahead keeps even the fetch until it is near', () => {
    const web = bundle('web', 1, { ...windowIn(10 * hour), aheadMs: 2 * hour })
    expect(of('want', publish(web))).toEqual([])
    expect([state('web'), of('want', pass(8 * hour - 1))]).toEqual(['pending', []])
    expect(of('want', pass(1))).toHaveLength(1)
  })

  it.each([1e300, -1e300, 0.25, -3_600_000, 0])(
    'an absurd ahead of %s ms neither spins nor keeps a bundle for ever',
    (aheadMs) => {
      publish(bundle('web', 1, { ...windowIn(hour), aheadMs }))
      pass(hour)
      expect(of('want')).toHaveLength(1)
    },
  )

  it('that never opens again is no reason not to fetch', () => {
    expect(of('want', publish(bundle('web', 1, { ...windowIn(-24 * hour), aheadMs: hour })))).toHaveLength(1)
  })

  it('does not make a failed bundle wait for ever that had failed before the restart', () => {
    const web = bundle('web', 1, { ...windowIn(3 * hour), aheadMs: hour })
    const entry = {
      type: 'bundle',
      name: 'web',
      version: 1,
      state: 'failed',
      at: now,
      prepared: false,
      results: [],
    } as const
    restart({}, Journal.replay([entry]))
    publish(web)
    pass(2 * hour)
    expect(of('prepare', deliver(web))).toHaveLength(1)
  })
})

describe('apply now', () => {
  it('applies what is prepared, outside its window too, once', () => {
    const web = bundle('web', 1, windowIn(day))
    publish(web)
    deliver(web)
    prepared('web')
    expect(of('apply', feed({ type: 'apply-now' }))).toEqual([{ type: 'apply', name: 'web', version: 1 }])
    applied('web')
    expect(of('apply', pass(hour))).toEqual([])
    expect(of('apply', feed({ type: 'apply-now' }))).toHaveLength(1)
  })

  it('does not apply days later what was blocked when somebody asked', () => {
    const web = bundle('web', 1, windowIn(10 * day))
    publish(web)
    deliver(web)
    feed({ type: 'prepared', name: 'web', version: 1, outcome: { type: 'engine-missing', reason: 'no engine' } })
    feed({ type: 'apply-now' })
    pass(3 * day)
    expect([of('apply', prepared('web')), state('web')]).toEqual([[], 'prepared'])
  })

  it('leaves alone what is not prepared', () => {
    publish(bundle('web'))
    expect(feed({ type: 'apply-now' })).toEqual([])
  })
})

describe('after a restart', () => {
  const after1 = (web: SignedBundle): void => {
    restart({}, Journal.replay(of('journal').map(({ entry }) => JSON.parse(JSON.stringify(entry)) as unknown)))
    publish(web)
  }

  it('what was being applied when the power failed is applied again in its window', () => {
    const web = bundle('web', 1, windowIn(0))
    publish(web)
    deliver(web)
    prepared('web')
    after1(web)
    expect(of('apply')).toEqual([{ type: 'apply', name: 'web', version: 1, closes: after(start, hour) }])
  })

  it('what was applied stays so, and is not applied again', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    prepared('web')
    applied('web')
    after1(web)
    deliver(web)
    expect([state('web'), of('apply'), of('prepare')]).toEqual(['applied', [], []])
  })

  it('an older version in the journal says nothing of the newer', () => {
    const web = bundle('web')
    publish(web)
    deliver(web)
    prepared('web')
    applied('web')
    after1(bundle('web', 2))
    expect(state('web')).toBe('fetching')
  })
})

describe('reports', () => {
  const ready = (): void => void feed({ type: 'facts', facts: { hostname: 'x' } })

  it('wait for facts and for the first release, then gather what settles together', () => {
    publish(bundle('web'))
    expect(reports(pass(day))).toEqual([])
    ready()
    expect(reports(pass(1_000))).toHaveLength(1)
    publish(bundle('web', 2), bundle('db'), bundle('mail'))
    expect(reports(pass(1_000))).toHaveLength(1)
    expect(reports(pass(day))).toEqual([])
  })

  it('are numbered one by one; a number is in the journal before it is used, and never used again', () => {
    publish(bundle('web'))
    ready()
    pass(1_000)
    publish(bundle('web', 2))
    pass(1_000)
    expect(reports().map(({ seq }) => seq)).toEqual([1, 2])
    const order = effects.filter(
      (effect) => effect.type === 'report' || (effect.type === 'journal' && effect.entry.type === 'report'),
    )
    expect(order.map(({ type }) => type)).toEqual(['journal', 'report', 'journal', 'report'])
    restart({}, Journal.replay(of('journal').map(({ entry }) => entry)))
    publish(bundle('web', 3))
    ready()
    pass(1_000)
    expect(reports().map(({ seq }) => seq)).toEqual([3])
  })

  it('carry the facts once, and again when they changed', () => {
    publish(bundle('web'))
    ready()
    pass(1_000)
    ready()
    pass(1_000)
    feed({ type: 'facts', facts: { hostname: 'y' } })
    pass(1_000)
    expect(reports().map(({ facts }) => facts?.['hostname'])).toEqual(['x', undefined, 'y'])
  })

  it('tell what drifted', () => {
    publish()
    ready()
    const finding = { bundle: 'web', resource: '0:file:/x', path: '/x', wanted: 'a', seen: 'b', since: start }
    feed({ type: 'findings', findings: [finding] })
    expect(reports(pass(1_000)).at(-1)?.drift).toEqual([finding])
    expect(agent.findings).toEqual([finding])
  })
})
