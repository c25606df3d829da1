import { beforeEach, describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { day, hour } from '#base/time.ts'
import { encodeManifest } from '#content/manifest.ts'
import {
  begin,
  agent,
  manifests,
  restart,
  feed,
  pass,
  of,
  bundle,
  digestOf,
  publish,
  deliver,
  prepared,
  applied,
  state,
  reports,
  windowIn,
} from '../support/agent-stage.ts'

beforeEach(begin)

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
    expect(agent.assignments().map(({ name }) => name)).toEqual(['mine', 'theirs'])
    const forOthers = [digestOf(mine), digestOf(theirs), digestOf(lyon)].map((content) => agent.isForOthers(content))
    expect(forOthers).toEqual([false, true, false])
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
    expect(reports(pass(1_000)).at(-1)?.bundles).toMatchObject([{ name: 'web', state: 'withdrawn' }])
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

describe('a report that was lost before it was sent', () => {
  it('is told anew in a minute, under another number and with its facts', () => {
    feed({ type: 'facts', facts: { hostname: 'x' } })
    publish(bundle('web'))
    pass(hour)
    const lost = reports().at(-1)
    expect(of('report', pass(hour))).toEqual([])
    feed({ type: 'unreported' })
    const [again] = reports(pass(60_000))
    expect(again).toMatchObject({ seq: (lost?.seq ?? 0) + 1, facts: { hostname: 'x' }, bundles: lost?.bundles })
  })
})
