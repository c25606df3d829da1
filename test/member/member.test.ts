import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { encodeManifest } from '#content/manifest.ts'
import type { MemberEffect } from '#member/member.ts'
import { packReport, unpackReport } from '#origin/report-body.ts'
import { encodeReport } from '#facts/report.ts'
import { reportLanMs } from '#protocol/params.ts'
import { enrol } from '#trust/membership.ts'
import { makeToken, readToken } from '#trust/token.ts'
import { readReceipt, sealReport } from '#trust/seal.ts'
import { of, Site, siteStart, Stage, type Person } from '../support/site.ts'

let site: Site
let bob: Person

beforeEach(() => {
  site = new Site()
  bob = site.person('bob')
})

const bytes = encodeManifest({
  name: 'web',
  version: 1,
  contents: [{ digest: sha256(utf8('c')), length: 1 }],
  files: [],
})
const manifest = { digest: sha256(bytes), length: bytes.byteLength }
const web = { name: 'web', version: 1, manifest, custom: {} }

describe('a device', () => {
  it('wants what a release means for it, as the announcement comes', () => {
    const stage = new Stage(site, site.person('alice'))
    stage.start()
    const link = stage.meet(bob)
    const effects = stage.feed({ type: 'metadata', pack: site.release([web]) })
    expect(of('open', effects).map(({ ref }) => ref)).toEqual([manifest])
    stage.feed({ type: 'opened', content: manifest.digest, chunks: 1, have: new Uint8Array(1) })
    expect(stage.said(link).at(-1)).toEqual({ t: 'want', contents: [manifest.digest] })
  })

  it('goes on at once with contents that are here already, in one call', () => {
    const stage = new Stage(site, site.person('alice'))
    stage.start()
    stage.feed({ type: 'added', refs: [manifest] })
    stage.feed({ type: 'opened', content: manifest.digest, chunks: 1, have: Uint8Array.of(1) })
    const effects = stage.feed({ type: 'metadata', pack: site.release([web]) })
    expect(of('read-manifest', effects)).toHaveLength(1)
    expect(stage.member.completeContents()).toEqual([manifest.digest])
  })

  it('takes up after a restart what it knew, before anybody is met', () => {
    site.release([web])
    const stage = new Stage(site, site.person('alice'))
    expect(of('open', stage.start()).map(({ ref }) => ref)).toEqual([manifest])
  })

  it('seals its report with its membership inside, and sends it once it is stored', () => {
    const stage = new Stage(site, site.person('alice'))
    stage.start()
    const link = stage.meet(bob, { acting: true, reach: true })
    stage.feed({ type: 'facts', facts: { hostname: 'alice' } })
    const [seal] = of('seal', stage.pass(1_000))
    const body = seal?.body ?? new Uint8Array()
    const { membership, report: said } = unpackReport(body)
    expect(membership).toEqual(stage.self.certificate)
    expect(said).toMatchObject({ seq: 1, facts: { hostname: 'alice' }, trust: { signedAt: siteStart } })
    const name = sha256(utf8('sealed'))
    stage.feed({ type: 'spooled', name, bytes: 900 })
    expect(of('read-reports', stage.pass(reportLanMs))).toEqual([{ type: 'read-reports', link, names: [name] }])
  })

  it('wakes for its windows as for its neighbours: one time for all', () => {
    const stage = new Stage(site, site.person('alice'))
    stage.start()
    const windows = [{ start: '2026-03-06T16:00:20', durationMs: 60_000, zone: 'UTC' }]
    stage.feed({ type: 'metadata', pack: site.release([{ ...web, custom: { windows } }]) })
    stage.pass(15_000)
    const times: number[] = []
    for (
      let next = stage.member.nextWake();
      next !== undefined && next - siteStart <= 20_000;
      next = stage.member.nextWake()
    ) {
      times.push(next - siteStart)
      stage.pass(next - stage.now)
    }
    expect(times).toContain(20_000)
  })

  it('finishes one input before the next: what an effect brings about at once waits', () => {
    const stage = new Stage(site, site.person('alice'))
    stage.start()
    const link = stage.meet(bob)
    const above = site.personBeside(stage.self.peer, 'above')
    const order: string[] = []
    let depth = 0
    const out = (effect: MemberEffect): void => {
      order.push(effect.type)
      expect(depth++).toBe(0)
      // As a network does that ends a link within the call.
      if (effect.type === 'close') {
        stage.member.handle({ type: 'link-down', link, reason: 'closed' }, stage.now, out)
        stage.member.handle({ type: 'seen', address: above.address, peer: above.peer }, stage.now, out)
      }
      depth--
    }
    stage.member.handle({ type: 'message', link, bytes: utf8('noise') }, stage.now, out)
    expect(order).toEqual(['log', 'send', 'close', 'dial'])
    expect(stage.member.protocol.neighbours.get(link)).toBeUndefined()
  })
})

describe('the origin', () => {
  it('raises an alarm once when a token brings more devices than it was made for', () => {
    const token = readToken(
      makeToken({
        issuer: site.keys.issuer,
        meshId: site.meshId,
        fleet: 'acme',
        tokenSeed: new Uint8Array(32).fill(7),
        site: 'berlin',
        role: 'client',
        labels: {},
        now: siteStart,
        max: 1,
        addresses: [],
        issuers: [site.keys.issuer.public],
      }).text,
    )
    const stage = new Stage(site, site.origin)
    stage.start()
    const alarms = (): object[] =>
      of('log', stage.effects).flatMap(({ level, event, fields }) =>
        event === 'token.exceeded' ? [{ level, ...fields }] : [],
      )
    const meet = (name: string): void => {
      const person = site.person(name)
      const certificate = enrol({ token, device: person.key, name, now: siteStart })
      stage.meet({ ...person, certificate })
    }
    meet('carol')
    expect(alarms()).toEqual([])
    for (const name of ['dave', 'erin']) meet(name)
    expect(alarms()).toEqual([{ level: 'warn', id: token.id, max: 1, used: 2 }])
    expect(of('save-device', stage.effects).map(({ device }) => device.token?.id)).toEqual(Array(3).fill(token.id))
  })

  const report = (seq: number): Uint8Array =>
    sealReport({
      body: packReport({
        membership: bob.certificate,
        report: encodeReport({ v: 1, seq, at: siteStart, release: 1, bundles: [], drift: [] }),
      }),
      device: bob.key,
      seq,
      origin: site.keys.box.public,
      ephemeral: new Uint8Array(32).fill(seq),
      nonce: new Uint8Array(24).fill(seq),
    })

  it('lists a device from its hello on, and keeps that', () => {
    const stage = new Stage(site, site.origin)
    stage.start()
    stage.meet(bob)
    expect(of('save-device', stage.effects).map(({ device }) => device.name)).toEqual(['bob'])
    stage.effects.length = 0
    stage.meet(bob)
    expect(of('save-device', stage.effects)).toEqual([])
  })

  it('lists a device that says hello while another link of it is being made', () => {
    const stage = new Stage(site, site.origin)
    stage.start()
    const other = site.personBeside(site.origin.peer, 'below')
    const link = stage.linkUp(other, 'in')
    stage.greet(link, other)
    stage.linkUp(other, 'out')
    stage.say(link, { t: 'ready', acting: false, reach: false })
    expect(of('save-device', stage.effects).map(({ device }) => device.name)).toEqual([other.name])
  })

  it('keeps a report before it receipts it, and sends the receipt back the way it came', () => {
    const stage = new Stage(site, site.origin)
    stage.start()
    const link = stage.meet(site.person('relay', { role: 'relay' }))
    const sealed = report(1)
    const effects = stage.say(link, { t: 'reports', sealed: [sealed] })
    expect(effects.map(({ type }) => type)).toEqual(['save-device', 'send'])
    const message = stage.said(link, effects)[0]
    expect(message?.t === 'receipt' && readReceipt(message.bytes, [site.origin.peer])).toEqual([
      { name: sha256(sealed), anew: false },
    ])
  })

  it('says in its log what it refused', () => {
    const stage = new Stage(site, site.origin)
    stage.start()
    const link = stage.meet(site.person('relay', { role: 'relay' }))
    const effects = stage.say(link, { t: 'reports', sealed: [utf8('noise')] })
    expect(of('log', effects).map(({ event, fields }) => [event, fields['code']])).toEqual([
      ['report.refused', 'SEAL_INVALID'],
    ])
  })

  it('applies nothing and reports nothing: it has no agent', () => {
    site.release([web])
    const stage = new Stage(site, site.origin)
    stage.start()
    stage.feed({ type: 'apply-now' })
    stage.pass(3_600_000)
    expect([of('open', stage.effects), of('seal', stage.effects)]).toEqual([[], []])
  })
})
