/**
 * A whole fleet in one made-up world: an origin, sites with relays and clients, their keys and memberships drawn from the seed. The
 * machines are the production ones; only their surroundings are made up.
 *
 *   const fleet = new SimulatedFleet({ seed: 7, sites: [{ name: 'berlin', relays: 1, clients: 5, line }] })
 *   fleet.publish([{ name: 'web', contents: [65_536, 1_000_000] }])
 *   fleet.run(60_000, () => fleet.isApplied('web'))
 */
import { assert } from '#base/assert.ts'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { Random } from '#base/random.ts'
import { instant, type Instant } from '#base/time.ts'
import { WallClock } from '#base/wall-clock.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { encodeManifest } from '#content/manifest.ts'
import { Journal } from '#agent/journal.ts'
import type { Inventory } from '#facts/inventory-part.ts'
import { Member } from '#member/member.ts'
import { Fleet } from '#origin/fleet.ts'
import { ReportIntake } from '#origin/intake.ts'
import { signingKey, type SigningKey } from '#trust/keys.ts'
import { enrol, issueMembership, verifyMembership, type Role } from '#trust/membership.ts'
import { firstRelease, nextRelease, repositoryKeys, type RepositoryKeys } from '#trust/repository.ts'
import { makeToken, readToken } from '#trust/token.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import type { BundleTarget } from '#trust/metadata-pack.ts'
import type { BudgetPlan } from '#protocol/budget.ts'
import type { Address } from '#protocol/link.ts'
import { Device, type ContentFacts } from './device.ts'
import { Network, type SiteLine } from './network.ts'
import { quickenCrypto } from './quick-crypto.ts'
import { Trace } from './trace.ts'
import { World } from './world.ts'

export interface SimulatedSite {
  readonly name: string
  readonly relays: number
  readonly clients: number
  readonly line: SiteLine
  /** Its relays trade with those of other sites. */
  readonly trade?: boolean
  /** Of each of its members. */
  readonly budget?: BudgetPlan
  readonly isPolite?: boolean
}

export interface FleetPlan {
  readonly seed: number
  readonly sites: readonly SimulatedSite[]
  readonly headOffice?: SiteLine
  readonly originBudget?: BudgetPlan
  readonly start?: Instant
  readonly keepTrace?: boolean
  /** What a device consists of, by its name; asked each time it looks. */
  readonly inventory?: (name: string) => Inventory
}

export interface SimulatedBundle {
  readonly name: string
  /** Bytes of each content. */
  readonly contents: readonly number[]
  readonly custom?: Readonly<Record<string, unknown>>
}

const startDefault = instant(Date.UTC(2026, 2, 6, 16))
const chunkBytes = 32_768
const originAddress = '/ip4/10.0.0.1/tcp/47100' as Address
const fastLine: SiteLine = { downBps: 1_000_000_000, upBps: 1_000_000_000, latencyUs: 1_000 }

export class SimulatedFleet {
  readonly world: World
  readonly network: Network
  readonly trace: Trace
  readonly origin: Device
  readonly devices: Device[] = []
  readonly contents = new Map<Digest, ContentFacts>()
  readonly #random: Random
  readonly #inventory: FleetPlan['inventory']
  readonly #keys: RepositoryKeys
  readonly #set: TrustedSet
  readonly #start: Instant
  readonly #bundles = new Map<string, BundleTarget>()
  /** Every version that was published, the newest last. */
  readonly #history = new Map<string, BundleTarget[]>()

  constructor(plan: FleetPlan) {
    quickenCrypto()
    this.#start = plan.start ?? startDefault
    this.#inventory = plan.inventory
    this.world = new World(this.#start)
    this.trace = new Trace(plan.keepTrace ?? false)
    this.#random = new Random(`fleet ${plan.seed}`)
    const lines = new Map(plan.sites.map((site) => [site.name, site.line]))
    this.network = new Network(this.world, lines.set('origin', plan.headOffice ?? fastLine))
    this.#keys = repositoryKeys((role) => this.#seed(`key ${role}`))
    const device = this.#key('origin')
    const first = firstRelease({
      fleet: 'simulated',
      keys: this.#keys,
      origin: peerIdOf(device.public),
      now: this.#start,
    })
    const root = sha256(first.roots[0] ?? new Uint8Array())
    this.#set = TrustedSet.restore(root, first, this.#start)
    this.origin = this.#originDevice(device, root, plan.originBudget)
    for (const [index, site] of plan.sites.entries())
      for (let number = 0; number < site.relays + site.clients; number++)
        this.devices.push(this.#device(site, index + 1, number))
  }

  /** Switches everybody on, within `withinMs` of each other. */
  start(withinMs: number = 1000): void {
    this.origin.start(0)
    for (const device of this.devices) device.start(device.init.random.stream('start').below(withinMs * 1000 + 1))
  }

  /** Publishes bundles as the next release; call it before or during a run. */
  publish(bundles: readonly SimulatedBundle[]): void {
    const refs: ContentRef[] = []
    for (const bundle of bundles) {
      const version = this.#nextVersion(bundle.name)
      const contents = bundle.contents.map((length, index) =>
        this.#content(`${bundle.name} ${version} ${index}`, length),
      )
      const manifest = encodeManifest({ name: bundle.name, version, contents, files: [] })
      const manifestRef = this.#whole(manifest)
      refs.push(...contents, manifestRef)
      this.#keep({ name: bundle.name, version, manifest: manifestRef, custom: bundle.custom ?? {} })
    }
    this.#release(refs)
  }

  /** Withdraws a bundle with the next release. */
  unpublish(name: string): void {
    this.#bundles.delete(name)
    this.#release([])
  }

  /** Publishes what an earlier version of a bundle was under the next number. */
  rollback(name: string, to: number): void {
    const older = this.#history.get(name)?.find(({ version }) => version === to)
    assert(older, `${name} had a version ${to}`)
    this.#keep({ ...older, version: this.#nextVersion(name) })
    this.#release([])
  }

  #keep(target: BundleTarget): void {
    this.#bundles.set(target.name, target)
    this.#history.set(target.name, [...(this.#history.get(target.name) ?? []), target])
  }

  #nextVersion(name: string): number {
    return (this.#history.get(name)?.at(-1)?.version ?? 0) + 1
  }

  #release(refs: readonly ContentRef[]): void {
    const { world, origin } = this
    const pack = nextRelease({
      previous: this.#set.state(),
      keys: this.#keys,
      now: world.now,
      bundles: [...this.#bundles.values()],
    })
    origin.hold(refs)
    world.at(world.nowUs, 1, 1, () => {
      if (refs.length > 0) origin.feed({ type: 'added', refs })
      origin.feed({ type: 'metadata', pack })
    })
  }

  /** Runs for `ms` of virtual time, or until `done`; true where `done` said so. */
  run(ms: number, done?: () => boolean): boolean {
    return this.world.run(this.world.nowUs + ms * 1000, done)
  }

  /** Whether every client that is switched on has applied the newest version of a bundle. */
  isApplied(name: string): boolean {
    const version = this.#bundles.get(name)?.version ?? 0
    return this.devices
      .filter((device) => device.member.protocol.self.membership.role === 'client')
      .every((device) => device.applied.includes(`${name}@${version}`))
  }

  #originDevice(key: SigningKey, root: Digest, budget: BudgetPlan | undefined): Device {
    const now = this.#start
    const peer = peerIdOf(key.public)
    const certificate = issueMembership({
      issuer: this.#keys.issuer,
      meshId: root,
      peer,
      name: 'origin',
      site: 'origin',
      role: 'origin',
      labels: {},
      now,
      lifetimeMs: 365 * 86_400_000,
    })
    const set = this.#set
    const member = new Member({
      protocol: {
        self: {
          peer,
          certificate,
          membership: verifyMembership(certificate, { meshId: root, issuers: set.issuers(), peer, now }),
          pinnedIssuers: [],
          set,
          random: this.#random.stream('origin'),
          wall: new WallClock(),
        },
        known: [],
        now,
        budget,
      },
      intake: new ReportIntake({ set, device: key, boxes: [this.#keys.box], fleet: new Fleet() }),
    })
    return new Device(this.#deviceInit('origin', 'origin', originAddress, key), this.network, member)
  }

  #device(plan: SimulatedSite, siteNumber: number, number: number): Device {
    const { name: site, trade = false, budget, isPolite } = plan
    const role: Role = number < plan.relays ? 'relay' : 'client'
    const name = `${site}-${role}-${number}`
    const key = this.#key(name)
    const peer = peerIdOf(key.public)
    const now = this.#start
    const { text } = makeToken({
      issuer: this.#keys.issuer,
      meshId: this.#set.meshId,
      fleet: 'simulated',
      tokenSeed: this.#seed(`token ${name}`),
      site,
      role,
      labels: {},
      now,
      addresses: [originAddress],
      issuers: this.#set.issuers().map((issuer) => issuer.public),
    })
    const token = readToken(text)
    const certificate = enrol({ token, device: key, name, now })
    const pinnedIssuers = token.issuers.map((issuer) => ({ public: issuer }))
    const membership = verifyMembership(certificate, { meshId: token.meshId, issuers: pinnedIssuers, peer, now })
    const random = this.#random.stream(name)
    const member = new Member({
      protocol: {
        self: {
          peer,
          certificate,
          membership,
          pinnedIssuers,
          set: TrustedSet.pinned(token.meshId),
          random,
          wall: new WallClock(),
          trade,
        },
        known: token.addresses.map((address) => ({ address: address as Address, inside: false })),
        now,
        budget,
        isPolite,
      },
      agent: { device: { role, site, labels: {} }, journal: Journal.replay([]) },
    })
    const address = `/ip4/10.${siteNumber}.${number >> 8}.${(number & 255) + 1}/tcp/47100` as Address
    return new Device(this.#deviceInit(name, site, address, key), this.network, member)
  }

  #deviceInit(name: string, site: string, address: Address, key: SigningKey): Device['init'] {
    const take = this.#inventory
    return {
      name,
      ...(take && { inventory: () => take(name) }),
      peer: peerIdOf(key.public),
      address,
      site,
      key,
      facts: { hostname: name },
      random: this.#random.stream(`device ${name}`),
      contents: this.contents,
      world: this.world,
      trace: this.trace,
    }
  }

  /** A made-up content: its chunks are numbers of bytes, its digest stands for bytes that nobody has. */
  #content(label: string, length: number): ContentRef {
    const chunks = Math.max(1, Math.ceil(length / chunkBytes))
    const sizes = Array.from({ length: chunks }, (_, index) => Math.min(chunkBytes, length - index * chunkBytes))
    const digest = sha256(utf8(label))
    const ref: ContentRef =
      chunks === 1 ? { digest, length } : { digest, length, list: this.#content(`list of ${label}`, chunks * 36) }
    this.contents.set(digest, { ref, chunkBytes: sizes })
    return ref
  }

  /** A content of one chunk whose bytes matter. */
  #whole(bytes: Uint8Array): ContentRef {
    const ref: ContentRef = { digest: sha256(bytes), length: bytes.byteLength }
    this.contents.set(ref.digest, { ref, chunkBytes: [bytes.byteLength], bytes })
    return ref
  }

  #seed(label: string): Uint8Array {
    const random = this.#random.stream(label)
    return Uint8Array.from({ length: 32 }, () => random.below(256))
  }

  #key(name: string): SigningKey {
    return signingKey(this.#seed(`device key ${name}`))
  }
}
