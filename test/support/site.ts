/**
 * One member that a test drives by hand, among members that are only keys and memberships: what they say is up to the test, so
 * they may be honest, broken or hostile. For many real members in a made-up world see `sim/fleet.ts`.
 */
import { assert } from '#base/assert.ts'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { Random } from '#base/random.ts'
import { after, instant, type Instant } from '#base/time.ts'
import { WallClock } from '#base/wall-clock.ts'
import { Journal } from '#agent/journal.ts'
import { Member, type MemberEffect, type MemberInput } from '#member/member.ts'
import { Fleet } from '#origin/fleet.ts'
import { ReportIntake } from '#origin/intake.ts'
import type { BudgetPlan } from '#protocol/budget.ts'
import type { KnownAddress } from '#protocol/effect.ts'
import type { Address, LinkId } from '#protocol/link.ts'
import { decodeMessage, encodeMessage, type Message } from '#protocol/wire.ts'
import { signingKey, type SigningKey } from '#trust/keys.ts'
import { issueMembership, verifyMembership, type Role } from '#trust/membership.ts'
import type { MeshDocuments } from '#trust/mesh-documents.ts'
import type { BundleTarget, MetadataPack, Versions } from '#trust/metadata-pack.ts'
import { encodePack } from '#trust/pack-codec.ts'
import { peerIdOf, type PeerId } from '#trust/peer-id.ts'
import { firstRelease, heartbeat, nextRelease, repositoryKeys, type RepositoryKeys } from '#trust/repository.ts'
import { TrustedSet } from '#trust/trusted-set.ts'

export interface Person {
  readonly name: string
  readonly peer: PeerId
  readonly key: SigningKey
  readonly certificate: Uint8Array
  readonly address: Address
  readonly site: string
  readonly role: Role
}

interface PersonOptions {
  readonly site?: string
  readonly role?: Role
  readonly lifetimeMs?: number
}

export const siteStart = instant(Date.UTC(2026, 2, 6, 16))
export const addressOf = (number: number): Address => `/ip4/10.0.0.${number}/tcp/47100` as Address
const seedOf = (label: string): Uint8Array => Uint8Array.from(Buffer.from(sha256(utf8(label)), 'hex'))
/** Keys cost milliseconds each, and tests ask for the same ones again and again. */
const keys = new Map<string, { readonly key: SigningKey; readonly peer: PeerId }>()

function keyOf(label: string): { readonly key: SigningKey; readonly peer: PeerId } {
  const known = keys.get(label)
  if (known) return known
  const key = signingKey(seedOf(label))
  const made = { key, peer: peerIdOf(key.public) }
  keys.set(label, made)
  return made
}

/** The fleet around a stage: its keys, its releases, and the people in it. */
export class Site {
  readonly keys: RepositoryKeys
  readonly first: MetadataPack
  readonly meshId: Digest
  readonly origin: Person
  newest: MetadataPack
  #people = 0

  constructor(name: string = 'acme') {
    this.keys = repositoryKeys((role) => seedOf(`${name} ${role}`))
    const { key, peer } = keyOf(`${name} device origin`)
    this.first = firstRelease({ fleet: name, keys: this.keys, origin: peer, now: siteStart })
    this.newest = this.first
    this.meshId = sha256(this.first.roots[0] ?? new Uint8Array())
    this.origin = this.#enrolled('origin', key, { site: 'origin', role: 'origin' })
  }

  person(name: string, options: PersonOptions = {}): Person {
    return this.#enrolled(name, keyOf(`device ${name}`).key, options)
  }

  /** A person whose peer id is higher, or lower, than another's: who is lower dials, and stays. */
  personBeside(peer: PeerId, side: 'above' | 'below', options: PersonOptions = {}): Person {
    for (let number = 0; ; number++) {
      const { key, peer: other } = keyOf(`device beside ${number}`)
      if (other > peer === (side === 'above')) return this.#enrolled(`beside-${number}`, key, options)
    }
  }

  /** The next release, kept as the newest. */
  release(
    bundles: readonly BundleTarget[],
    documents?: Partial<MeshDocuments>,
    now: Instant = siteStart,
  ): MetadataPack {
    this.newest = nextRelease({ previous: this.newest, keys: this.keys, now, bundles, ...(documents && { documents }) })
    return this.newest
  }

  /** The newest timestamp, signed anew. */
  heartbeat(now: Instant = siteStart): MetadataPack {
    this.newest = heartbeat({ previous: this.newest, keys: this.keys, now })
    return this.newest
  }

  /** What somebody has who is up to date. */
  versions(pack: MetadataPack = this.newest): Versions {
    return TrustedSet.restore(this.meshId, pack, siteStart).versions()
  }

  #enrolled(name: string, key: SigningKey, { site = 'berlin', role = 'client', lifetimeMs }: PersonOptions): Person {
    const peer = peerIdOf(key.public)
    const certificate = issueMembership({
      issuer: this.keys.issuer,
      meshId: this.meshId,
      peer,
      name,
      site,
      role,
      labels: {},
      now: siteStart,
      lifetimeMs: lifetimeMs ?? 90 * 86_400_000,
    })
    return { name, peer, key, certificate, address: addressOf(++this.#people), site, role }
  }
}

interface StageOptions {
  readonly known?: readonly KnownAddress[]
  /** What it knows at the start: the first release, unless it is a newcomer. */
  readonly pack?: MetadataPack | undefined
  readonly isNewcomer?: boolean
  readonly journal?: Journal
  readonly seed?: string
  /** On battery, or by radio alone. */
  readonly isUnfit?: boolean
  /** A relay that trades with those of other sites. */
  readonly trade?: boolean
  readonly budget?: BudgetPlan
}

/** More wakes than any honest machine needs in the time that a test lets pass. */
const wakesMax = 20_000

/** One real member. Every effect is kept, in order; nothing is carried out. */
export class Stage {
  readonly site: Site
  readonly self: Person
  readonly member: Member
  readonly effects: MemberEffect[] = []
  now: Instant = siteStart
  wakes = 0
  #nextLink = 1

  constructor(site: Site, self: Person, options: StageOptions = {}) {
    const { meshId } = site
    const pack = options.isNewcomer ? undefined : (options.pack ?? site.newest)
    const set = pack ? TrustedSet.restore(meshId, pack, siteStart) : TrustedSet.pinned(meshId)
    const issuers = [{ public: site.keys.issuer.public }]
    const { peer, key, certificate } = self
    const membership = verifyMembership(certificate, { meshId, issuers, peer, now: siteStart })
    const random = new Random(options.seed ?? 'stage')
    const { role } = self
    this.site = site
    this.self = self
    this.member = new Member({
      protocol: {
        self: {
          peer,
          certificate,
          membership,
          pinnedIssuers: issuers,
          set,
          random,
          wall: new WallClock(),
          isUnfit: options.isUnfit ?? false,
          trade: options.trade ?? false,
        },
        known: options.known ?? [],
        now: siteStart,
        budget: options.budget,
      },
      ...(role === 'origin'
        ? { intake: new ReportIntake({ set, device: key, boxes: [site.keys.box], fleet: new Fleet() }) }
        : {
            agent: { device: { role, site: self.site, labels: {} }, journal: options.journal ?? Journal.replay([]) },
          }),
    })
  }

  /** What the member asks for in answer to an input. */
  feed(input: MemberInput): MemberEffect[] {
    const before = this.effects.length
    this.member.handle(input, this.now, (effect) => this.effects.push(effect))
    return this.effects.slice(before)
  }

  start(): MemberEffect[] {
    return this.feed({ type: 'started', addresses: [this.self.address] })
  }

  /** Lets time pass, waking the member whenever it wants; what it asked for meanwhile. A member that spins fails the test. */
  pass(ms: number): MemberEffect[] {
    const before = this.effects.length
    const until = after(this.now, ms)
    for (let next = this.member.nextWake(); next !== undefined && next <= until; next = this.member.nextWake()) {
      assert(this.wakes++ < wakesMax, `the member is woken for ever, now at ${next - siteStart} ms`)
      this.now = instant(Math.max(this.now, next))
      this.feed({ type: 'wake' })
    }
    this.now = until
    return this.effects.slice(before)
  }

  linkUp(other: Person, direction: 'in' | 'out' = 'in', address: Address = other.address): LinkId {
    const link = this.#nextLink++ as LinkId
    this.feed({ type: 'link-up', link, peer: other.peer, direction, address })
    return link
  }

  say(link: LinkId, message: Message): MemberEffect[] {
    return this.feed({ type: 'message', link, bytes: encodeMessage(message) })
  }

  greet(link: LinkId, other: Person, more: Partial<Extract<Message, { t: 'hello' }>> = {}): MemberEffect[] {
    const versions = this.site.versions()
    const hello = { t: 'hello', wire: 1, membership: other.certificate, versions, addresses: [other.address] } as const
    return this.say(link, { ...hello, ...more })
  }

  /** A link to this person, established. */
  meet(
    other: Person,
    how: { direction?: 'in' | 'out'; acting?: boolean; reach?: boolean; address?: Address; versions?: Versions } = {},
  ): LinkId {
    const link = this.linkUp(other, how.direction, how.address)
    this.greet(link, other, how.versions && { versions: how.versions })
    this.say(link, { t: 'ready', acting: how.acting ?? false, reach: how.reach ?? false })
    return link
  }

  /** The link is gone, as the network tells it. */
  lose(link: LinkId): MemberEffect[] {
    return this.feed({ type: 'link-down', link, reason: 'gone' })
  }

  /** What was said on a link, of all effects or of some. */
  said(link: LinkId, effects: readonly MemberEffect[] = this.effects): Message[] {
    return effects.flatMap((effect) =>
      effect.type === 'send' && effect.link === link ? decodeMessage(effect.bytes) : [],
    )
  }

  /** The words of farewell on a link, and the reasons it was closed for. */
  farewell(link: LinkId): { byes: string[]; closes: string[] } {
    const byes = this.said(link).flatMap((message) => (message.t === 'bye' ? message.code : []))
    return { byes, closes: of('close', this.effects).flatMap((effect) => (effect.link === link ? effect.reason : [])) }
  }
}

/** A pack as it is announced: without roots, which are pulled by whoever lacks them. */
export const announced = (pack: MetadataPack): Uint8Array => encodePack({ ...pack, roots: [] })

/** The effects of one type. */
export const of = <Type extends MemberEffect['type']>(
  type: Type,
  effects: readonly MemberEffect[],
): Extract<MemberEffect, { type: Type }>[] =>
  effects.filter((effect): effect is Extract<MemberEffect, { type: Type }> => effect.type === type)
