/**
 * One simulated device: the same `member/` machine as in production, a memory that says which chunks are here instead of a disk, and a
 * pretend engine that takes a while. It decides nothing: every effect is carried out or answered as `node/` would.
 */
import { assert } from '#base/assert.ts'
import type { Digest } from '#base/digest.ts'
import { sha256 } from '#base/digest.ts'
import type { Random } from '#base/random.ts'
import type { Instant } from '#base/time.ts'
import type { ContentRef } from '#content/content-ref.ts'
import type { Finding } from '#facts/finding.ts'
import type { Inventory } from '#facts/inventory-part.ts'
import type { Facts } from '#facts/inventory.ts'
import type { MonitorOutcome } from '#facts/monitor.ts'
import type { Member, MemberEffect, MemberInput } from '#member/member.ts'
import type { JournalEntry } from '#agent/journal.ts'
import type { Watch } from '#agent/watch.ts'
import { keptPackages, takenIn, type KeptInventory } from '#origin/kept-inventory.ts'
import type { Address, LinkEvents, Verdict } from '#protocol/link.ts'
import { sealReport } from '#trust/seal.ts'
import type { SigningKey } from '#trust/keys.ts'
import type { PeerId } from '#trust/peer-id.ts'
import type { Network } from './network.ts'
import type { Trace } from './trace.ts'
import type { World } from './world.ts'

/** What the made-up world knows of every content: the sizes of its chunks, and the bytes of small ones such as manifests. */
export interface ContentFacts {
  readonly ref: ContentRef
  readonly chunkBytes: readonly number[]
  readonly bytes?: Uint8Array
}

export interface DeviceInit {
  readonly name: string
  readonly peer: PeerId
  readonly address: Address
  readonly site: string
  readonly key: SigningKey
  readonly facts: Facts
  /** What it consists of, where the world says so. */
  readonly inventory?: () => Inventory
  readonly random: Random
  readonly contents: ReadonlyMap<Digest, ContentFacts>
  readonly world: World
  readonly trace: Trace
}

/** Microseconds that a pretend engine and a pretend unpacking take. */
const prepareUs = 200_000
const applyUs = 1_500_000

export class Device {
  readonly init: DeviceInit
  readonly member: Member
  readonly #network: Network
  readonly #number: number
  readonly #have = new Map<Digest, Set<number>>()
  readonly #outbox = new Map<Digest, Uint8Array>()
  readonly #fetches = new Map<number, number>()
  readonly journal: JournalEntry[] = []
  readonly #packages = new Map<PeerId, KeptInventory>()
  /** Bundles that were applied, `name@version`. */
  readonly applied: string[] = []
  #wakeUs: number | undefined
  #verdict: Verdict = 'ignore'
  #up = true

  /** How it fails its neighbours: its chunks are wrong, it fetches and serves none, or it neither fetches nor serves. */
  behaviour: 'honest' | 'lies' | 'keeps' | 'stalls' = 'honest'
  /** Bytes of chunks it served, and of those that it got twice. */
  servedBytes = 0

  /** What the policy of every bundle wants to be watched. */
  watch: Watch | undefined
  /** What a look finds, until the bundle is applied again. */
  differing: readonly Finding[] = []
  /** What a check of this name finds. */
  checks: (monitor: string) => MonitorOutcome = () => 'pass'
  /** When it looked for drift. */
  readonly looks: Instant[] = []

  constructor(init: DeviceInit, network: Network, member: Member) {
    this.init = init
    this.member = member
    this.#network = network
    this.#number = network.enter({ peer: init.peer, address: init.address, site: init.site, events: this.#events() })
  }

  /** Sizes of what waits in its outbox, our own and others'. */
  outbox(): number[] {
    return [...this.#outbox.values()].map((sealed) => sealed.byteLength)
  }

  /** At the origin: the list of packages that is kept of a device. */
  packagesOf(peer: PeerId): string | undefined {
    const known = this.member.intake?.fleet.list().find((device) => device.peer === peer)?.packages
    return known && keptPackages(this.#packages.get(peer), known.digest)
  }

  /** Switches the device on at a time. */
  start(atUs: number): void {
    this.init.world.at(atUs, this.#number, this.#number, () => {
      this.feed({ type: 'started', addresses: [this.init.address] })
      if (this.member.agent) this.feed({ type: 'facts', facts: this.init.facts })
    })
  }

  /** Pulls the plug. */
  crash(): void {
    this.#up = false
    this.#network.leave(this.init.address)
  }

  /** Contents made here are complete from the start. */
  hold(refs: readonly ContentRef[]): void {
    for (const ref of refs) {
      const facts = this.#factsOf(ref.digest)
      this.#have.set(ref.digest, new Set(facts.chunkBytes.keys()))
      if (ref.list) this.hold([ref.list])
    }
  }

  feed(input: MemberInput): void {
    if (!this.#up) return
    const { world, trace, name } = this.init
    trace.note(world.nowUs, name, '<', input)
    this.member.handle(input, world.now, (effect) => {
      trace.note(world.nowUs, name, '>', effect)
      this.#carryOut(effect)
    })
    this.#setAlarm()
  }

  #setAlarm(): void {
    const next = this.member.nextWake()
    if (next === undefined) return
    // Rounded up to the next whole millisecond of member time: a wake that comes early would be asked for again at once.
    const atUs = this.init.world.usOf(next)
    if (this.#wakeUs !== undefined && this.#wakeUs <= atUs && this.#wakeUs > this.init.world.nowUs) return
    this.#wakeUs = atUs
    this.init.world.at(atUs, this.#number, this.#number, () => {
      if (this.#wakeUs !== atUs) return
      this.#wakeUs = undefined
      this.feed({ type: 'wake' })
    })
  }

  /** Answers after the present call of the machine, as IO does. */
  #answer(input: MemberInput, afterUs: number = 0): void {
    this.init.world.at(this.init.world.nowUs + afterUs, this.#number, this.#number, () => this.feed(input))
  }

  #events(): LinkEvents {
    return {
      linkUp: (link, peer, direction, address) => this.feed({ type: 'link-up', link, peer, direction, address }),
      linkDown: (link, reason) => this.feed({ type: 'link-down', link, reason }),
      message: (link, bytes) => this.feed({ type: 'message', link, bytes }),
      gossip: (link, bytes) => {
        this.#verdict = 'ignore'
        this.feed({ type: 'gossip', link, bytes })
        return this.#verdict
      },
      asked: (link, ask, run) => this.feed({ type: 'asked', link, ask, run }),
      seen: (address, peer) => this.feed({ type: 'seen', address, peer }),
    }
  }

  #carryOut(effect: MemberEffect): void {
    const { address } = this.init
    switch (effect.type) {
      case 'dial':
        return this.#network.dial(address, effect.address, (reason) =>
          this.feed({ type: 'dial-failed', address: effect.address, reason }),
        )
      case 'send':
        return this.#network.send(address, effect.link, effect.bytes)
      case 'close':
        return this.#network.close(address, effect.link, effect.reason)
      case 'admit':
        return this.#network.admit(address, effect.link)
      case 'gossip':
        this.#network.publish(address, effect.bytes)
        return
      case 'verdict':
        this.#verdict = effect.verdict
        return
      case 'query':
        return this.#network.query(address)
      case 'fetch':
        return this.behaviour === 'stalls' ? undefined : this.#fetch(effect)
      case 'cancel': {
        const ask = this.#fetches.get(effect.fetch)
        if (ask !== undefined) this.#network.cancel(ask)
        return
      }
      case 'serve':
        if (this.behaviour === 'stalls' || this.behaviour === 'keeps') return
        return this.#serve(effect, effect.run.first)
      case 'deny':
        return this.#network.finish(effect.ask, effect.code)
      case 'open': {
        const { chunkBytes } = this.#factsOf(effect.ref.digest)
        const have = new Uint8Array(Math.ceil(chunkBytes.length / 8))
        for (const index of this.#held(effect.ref.digest))
          have[index >> 3] = (have[index >> 3] ?? 0) | (1 << (index & 7))
        return this.#answer({ type: 'opened', content: effect.ref.digest, chunks: chunkBytes.length, have })
      }
      case 'read-manifest':
        return this.#answer({ type: 'manifest', content: effect.content, bytes: this.#factsOf(effect.content).bytes })
      case 'seal':
        return this.#seal(effect)
      case 'spool': {
        const name = sha256(effect.sealed)
        this.#outbox.set(name, effect.sealed)
        return this.#answer({ type: 'spooled', name, bytes: effect.sealed.byteLength })
      }
      case 'unspool':
        for (const name of effect.names) this.#outbox.delete(name)
        return
      case 'read-reports': {
        const sealed = effect.names.flatMap((name) => this.#outbox.get(name) ?? [])
        return this.#answer({ type: 'report-read', link: effect.link, sealed })
      }
      case 'prepare': {
        const { name, version } = effect
        return this.#answer(
          {
            type: 'prepared',
            name,
            version,
            outcome: { type: 'prepared', engine: 'pretend', ...(this.watch && { watch: this.watch }) },
          },
          prepareUs,
        )
      }
      case 'apply': {
        const { name, version } = effect
        this.applied.push(`${name}@${version}`)
        const mended = this.differing.filter((finding) => finding.bundle === name)
        this.differing = this.differing.filter((finding) => finding.bundle !== name)
        const results = mended.map(({ resource }) => ({ id: resource, kind: 'file', outcome: 'repaired' as const }))
        return this.#answer({ type: 'applied', name, version, outcome: { type: 'results', results } }, applyUs)
      }
      case 'observe': {
        const { name, version } = effect
        this.looks.push(this.init.world.now)
        const findings = this.differing.filter((finding) => finding.bundle === name)
        return this.#answer({ type: 'observed', name, version, outcome: { type: 'findings', findings } }, applyUs)
      }
      case 'check': {
        const { name, version, monitor } = effect
        return this.#answer({
          type: 'checked',
          name,
          version,
          result: { name: monitor, outcome: this.checks(monitor), said: '' },
        })
      }
      // Members of the simulator are not on probation.
      case 'keep':
        return this.#answer({ type: 'kept', lacking: [] })
      case 'probe':
        return this.#answer({ type: 'probed', name: effect.name, version: effect.version, checks: [] })
      case 'restore':
        return this.#answer({ type: 'restored', uncovered: [], lacking: [] })
      case 'journal':
        this.journal.push(effect.entry)
        return
      case 'take-inventory':
        return this.#answer({ type: 'inventory', inventory: this.init.inventory?.() })
      case 'save-packages': {
        const kept = takenIn(this.#packages.get(effect.peer), effect.part)
        if (kept) this.#packages.set(effect.peer, kept)
        else this.#answer({ type: 'packages-lost', peer: effect.peer })
        return
      }
      case 'forget':
      case 'save-trust':
      case 'save-addresses':
      case 'save-device':
      // The pretend engine has one resource, which comes to its end.
      case 'end-apply':
      case 'log':
        return
    }
  }

  #fetch({ fetch, link, run }: Extract<MemberEffect, { type: 'fetch' }>): void {
    const ask = this.#network.fetch(
      this.init.address,
      link,
      run,
      (index, { size, isWrong }) => {
        const held = this.#held(run.content)
        const verdict = isWrong ? 'wrong' : held.has(index) ? 'already' : 'stored'
        if (!isWrong) held.add(index)
        this.feed({ type: 'chunk', fetch, index, bytes: size, verdict })
      },
      (end) => {
        this.#fetches.delete(fetch)
        this.feed({ type: 'fetch-ended', fetch, end })
      },
    )
    this.#fetches.set(fetch, ask)
  }

  #serve(effect: Extract<MemberEffect, { type: 'serve' }>, index: number, sum: number = 0): void {
    const { ask, run, link, part } = effect
    if (index >= run.first + run.count) {
      if (part !== 'more') this.#network.finish(ask)
      if (part) this.feed({ type: 'part-served', ask, bytes: sum, isGone: false })
      return
    }
    const size = this.#factsOf(run.content).chunkBytes[index]
    assert(size !== undefined, `chunk ${index} of ${run.content} exists`)
    this.#network.answer(ask, index, { size, isWrong: this.behaviour === 'lies' }, (isThere) => {
      if (!this.#up) return
      if (!isThere) {
        if (part) this.#answer({ type: 'part-served', ask, bytes: sum, isGone: true })
        return
      }
      this.servedBytes += size
      this.feed({ type: 'served', link, content: run.content, bytes: size })
      this.#serve(effect, index + 1, sum + size)
    })
  }

  #seal({ seq, keep, body }: Extract<MemberEffect, { type: 'seal' }>): void {
    const { random, key } = this.init
    const box = this.member.protocol.self.set.origin()?.boxes[0]
    assert(box, 'a report is made only after the first release')
    const draw = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.below(256))
    const sealed = sealReport({ body, device: key, seq, origin: box.public, ephemeral: draw(32), nonce: draw(24) })
    const name = sha256(sealed)
    this.#outbox.set(name, sealed)
    this.#answer({ type: 'spooled', name, bytes: sealed.byteLength, own: { seq, keep } })
  }

  #held(content: Digest): Set<number> {
    const held = this.#have.get(content) ?? new Set()
    this.#have.set(content, held)
    return held
  }

  #factsOf(content: Digest): ContentFacts {
    const facts = this.init.contents.get(content)
    assert(facts, `content ${content} exists in this world`)
    return facts
  }
}
