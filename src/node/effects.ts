/**
 * Carries out every effect of a member on the real disk and network, and answers with inputs. The one switch over all effects: a new one
 * fails to compile here. Nothing here decides anything but what to do when the world fails.
 */
import { randomBytes } from 'node:crypto'
import { unreachable } from '#base/assert.ts'
import { codeOf, messageOf, Refused } from '#base/errors.ts'
import { sha256, type Digest } from '#base/digest.ts'
import type { Log } from '#base/log.ts'
import { Turns } from '#disk/turns.ts'
import type { ChunkStore, Holding } from '#content/chunk-store.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { manifestBytesMax } from '#content/manifest.ts'
import type { Sketch } from '#content/patch.ts'
import type { MemberEffect, MemberInput } from '#member/member.ts'
import type { KnownAddress } from '#protocol/effect.ts'
import type { OwnReport } from '#protocol/input.ts'
import type { ChunkForm, ChunkRun, LinkEvents, LinkId, Links, Verdict } from '#protocol/link.ts'
import type { JournalEntry } from '#agent/journal.ts'
import type { Inventory, PackagePart } from '#facts/inventory-part.ts'
import type { Device } from '#origin/fleet.ts'
import type { PeerId } from '#trust/peer-id.ts'
import { sealReport } from '#trust/seal.ts'
import type { SigningKey } from '#trust/keys.ts'
import { Jobs, type Probations, type Works } from './jobs.ts'
import { Patches } from './patches.ts'

/** What a member keeps on disk, as the effects need it; `session.ts` puts the files behind it. */
export interface Keepers {
  readonly store: ChunkStore
  /** Bytes that are here and probably resemble these chunks. */
  older(run: ChunkRun): Promise<Uint8Array | undefined>
  /** As `ChunkStore.open`; Unavailable `DISK_QUOTA` where there is no room for it and it is not for this device. */
  open(ref: ContentRef): Promise<Holding>
  saveTrust(bytes: Uint8Array): Promise<void>
  saveAddresses(known: readonly KnownAddress[]): Promise<void>
  saveDevice(device: Device): Promise<void>
  /** False where the part does not fit what is kept of this device. */
  savePackages(peer: PeerId, part: PackagePart): Promise<boolean>
  appendJournal(entry: JournalEntry): Promise<void>
  readonly outbox: {
    put(name: Digest, bytes: Uint8Array, seq?: number): Promise<void>
    read(name: Digest): Promise<Uint8Array | undefined>
    remove(name: Digest): Promise<void>
  }
}

export interface EffectsInit {
  readonly keepers: Keepers
  readonly works: Works
  /** What this machine consists of; undefined where it cannot be told now. */
  readonly takeInventory: () => Promise<Inventory | undefined>
  readonly probations: Probations
  readonly device: SigningKey
  readonly log: Log
  /** The origin's box key from the signed metadata. */
  readonly originBox: () => Uint8Array | undefined
  readonly feed: (input: MemberInput) => void
  /** Our own mistake: the process must end. */
  readonly onBug: (error: unknown) => void
}

/** Bytes of chunks that an ask was answered with, and how it ended: also `gone`, its asker. */
interface Served {
  readonly bytes: number
  readonly end: 'done' | 'gone' | 'NOT_HERE'
}

/** The network is not there: a command on a home without a daemon. */
type Network = Links | undefined

/** A chunk that cannot be stored ends its fetch; the next try may find room again. */
class Unstored extends Refused {
  constructor(cause: unknown) {
    super('CHUNK_UNSTORED', { message: `A chunk could not be stored: ${messageOf(cause)}.`, cause })
  }
}

export class Effects {
  readonly #init: EffectsInit
  #links: Network
  #verdict: Verdict = 'ignore'
  readonly #fetches = new Map<number, AbortController>()
  readonly #serving = new Turns<LinkId>()
  /** Writes of one kind keep their order; whoever needs them done waits for the last. */
  #journal: Promise<void> = Promise.resolve()
  #trust: Promise<void> = Promise.resolve()
  #nextTrust: Uint8Array | undefined
  readonly #pending = new Set<Promise<void>>()
  readonly #patches: Patches
  readonly #jobs: Jobs

  constructor(init: EffectsInit) {
    this.#init = init
    this.#jobs = new Jobs({ ...init, journaled: () => this.#journal })
    this.#patches = new Patches((run) => init.keepers.older(run))
  }

  attach(links: Links): void {
    this.#links = links
  }

  /** The handlers for the network: what it tells becomes inputs. */
  events(): LinkEvents {
    const { feed } = this.#init
    return {
      linkUp: (link, peer, direction, address) => feed({ type: 'link-up', link, peer, direction, address }),
      linkDown: (link, reason) => feed({ type: 'link-down', link, reason }),
      message: (link, bytes) => feed({ type: 'message', link, bytes }),
      gossip: (link, bytes) => {
        this.#verdict = 'ignore'
        feed({ type: 'gossip', link, bytes })
        return this.#verdict
      },
      asked: (link, ask, run, sketch) => {
        this.#patches.heard(ask, sketch)
        feed({ type: 'asked', link, ask, run })
      },
      seen: (address, peer) => feed({ type: 'seen', address, peer }),
    }
  }

  carryOut(effect: MemberEffect): void {
    const links = this.#links
    switch (effect.type) {
      case 'dial':
        return this.#start(this.#dial(effect.address))
      case 'send':
        return links?.send(effect.link, effect.bytes)
      case 'close':
        return links?.close(effect.link, effect.reason)
      case 'admit':
        return links?.admit(effect.link)
      case 'gossip':
        return this.#start(links?.publish(effect.bytes))
      case 'verdict':
        this.#verdict = effect.verdict
        return
      case 'query':
        return links?.query()
      case 'fetch':
        return this.#start(this.#fetch(effect))
      case 'cancel':
        return this.#fetches.get(effect.fetch)?.abort()
      case 'serve':
        return this.#start(this.#serve(effect))
      case 'deny':
        this.#patches.take(effect.ask)
        return links?.finish(effect.ask, effect.code)
      case 'open':
        return this.#start(this.#open(effect))
      case 'read-manifest':
        return this.#start(this.#readManifest(effect.content))
      case 'save-trust':
        return this.#saveTrust(effect.bytes)
      case 'save-addresses':
        return this.#start(this.#init.keepers.saveAddresses(effect.known))
      case 'save-device':
        return this.#start(this.#init.keepers.saveDevice(effect.device))
      case 'save-packages':
        return this.#start(this.#savePackages(effect.peer, effect.part))
      case 'take-inventory':
        return this.#start(this.#takeInventory())
      case 'journal':
        // A failed write, such as on a full disk, must not fail all later ones.
        this.#journal = this.#journal.catch(() => {}).then(() => this.#init.keepers.appendJournal(effect.entry))
        return this.#start(this.#journal)
      case 'seal':
        return this.#start(this.#seal(effect))
      case 'spool':
        return this.#start(this.#spool(effect.sealed))
      case 'unspool':
        return this.#start(Promise.all(effect.names.map((name) => this.#init.keepers.outbox.remove(name))))
      case 'read-reports':
        return this.#start(this.#readReports(effect.link, effect.names))
      case 'prepare':
      case 'apply':
      case 'observe':
      case 'check':
      case 'keep':
      case 'probe':
      case 'restore':
      case 'forget':
        return this.#start(this.#jobs.carryOut(effect))
      case 'end-apply':
        return this.#jobs.endApply()
      case 'log':
        return this.#init.log[effect.level](effect.event, effect.fields)
      default:
        return unreachable(effect)
    }
  }

  /** Ends what runs: engines are killed, fetches cancelled; resolves when everything begun has been written. */
  async drain(): Promise<void> {
    this.#jobs.end()
    for (const controller of this.#fetches.values()) controller.abort()
    await this.settled()
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending)
  }

  /** Follows a piece of work that nobody waits for: what fails is logged, and what is our mistake is told. */
  #start(work: Promise<unknown> | undefined): void {
    if (!work) return
    const done = work.then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof Error && !codeOf(error)) this.#init.onBug(error)
        else this.#init.log.error('effect.failed', { code: codeOf(error), error })
      },
    )
    this.#pending.add(done)
    void done.then(() => this.#pending.delete(done))
  }

  async #dial(address: Parameters<Links['dial']>[0]): Promise<void> {
    try {
      await this.#links?.dial(address)
    } catch (error) {
      this.#init.feed({ type: 'dial-failed', address, reason: messageOf(error) })
    }
  }

  async #fetch({ fetch, link, run }: Extract<MemberEffect, { type: 'fetch' }>): Promise<void> {
    const controller = new AbortController()
    this.#fetches.set(fetch, controller)
    const { feed, keepers } = this.#init
    const older = await this.#patches.begin(run)
    const onChunk = async (index: number, bytes: Uint8Array, form: ChunkForm): Promise<void> => {
      const size = bytes.byteLength
      try {
        const whole = form === 'patch' && older ? older.apply(bytes) : bytes
        const verdict = await keepers.store.put(run.content, index, whole)
        if (older) this.#patches.came(run.content, whole.byteLength, size)
        feed({ type: 'chunk', fetch, index, bytes: size, verdict })
      } catch (error) {
        const isWrong = error instanceof Refused
        // Names in a sketch are short, so this may be nobody's fault: the chunk is asked for whole, and who is wrong then pays.
        if (isWrong && form === 'patch') {
          this.#patches.giveUp(run.content)
          throw error
        }
        feed({ type: 'chunk', fetch, index, bytes: size, verdict: isWrong ? 'wrong' : 'unstored' })
        if (isWrong) return
        this.#init.log.error('chunk.unstored', { content: run.content, index, error })
        throw new Unstored(error)
      }
    }
    const end = (await this.#links?.fetch(link, run, onChunk, controller.signal, older?.sketch)) ?? 'failed'
    this.#patches.done(older)
    this.#fetches.delete(fetch)
    feed({ type: 'fetch-ended', fetch, end })
  }

  /** One ask of a neighbour after the other: what is read for it and not sent yet stays bounded. */
  async #serve({ ask, link, run, part }: Extract<MemberEffect, { type: 'serve' }>): Promise<void> {
    const sketch = this.#patches.take(ask, part === 'more')
    const { bytes, end } = await this.#serving.take(link, () => this.#answer(ask, link, run, sketch))
    if (end === 'NOT_HERE') this.#links?.finish(ask, end)
    else if (end === 'done' && part !== 'more') this.#links?.finish(ask)
    if (part) this.#init.feed({ type: 'part-served', ask, bytes, isGone: end !== 'done' })
  }

  async #answer(ask: number, link: LinkId, { content, first, count }: ChunkRun, sketch?: Sketch): Promise<Served> {
    let sum = 0
    let next = this.#readRun(content, first, count)
    for (let index = first; index < first + count;) {
      const chunks = await next
      // An ask is always ended, or the asker waits for its whole deadline.
      if (chunks.length === 0) return { bytes: sum, end: 'NOT_HERE' }
      // Read while these are sent.
      const left = first + count - index - chunks.length
      if (left > 0) next = this.#readRun(content, index + chunks.length, left)
      let bytes = 0
      try {
        for (const chunk of chunks) {
          const patch = sketch?.patchFor(chunk)
          await this.#links?.answer(ask, index++, patch ?? chunk, patch ? 'patch' : 'whole')
          bytes += (patch ?? chunk).byteLength
        }
      } catch {
        return { bytes: sum + bytes, end: 'gone' }
      } finally {
        if (bytes > 0) this.#init.feed({ type: 'served', link, content, bytes })
      }
      sum += bytes
    }
    return { bytes: sum, end: 'done' }
  }

  /** Chunks to serve; none where the disk cannot be read. */
  async #readRun(content: Digest, first: number, count: number): Promise<readonly Uint8Array[]> {
    try {
      return await this.#init.keepers.store.readRun(content, first, count)
    } catch (error) {
      this.#init.log.error('chunk.unreadable', { content, index: first, error })
      return []
    }
  }

  async #open({ ref }: Extract<MemberEffect, { type: 'open' }>): Promise<void> {
    try {
      const { chunks, have } = await this.#init.keepers.open(ref)
      this.#init.feed({ type: 'opened', content: ref.digest, chunks, have })
    } catch (error) {
      if (!codeOf(error)) throw error
      this.#init.feed({ type: 'open-failed', content: ref.digest, code: codeOf(error) ?? '' })
    }
  }

  async #readManifest(content: Digest): Promise<void> {
    const bytes = await this.#init.keepers.store.readWhole(content, manifestBytesMax)
    this.#init.feed({ type: 'manifest', content, bytes })
  }

  /** Only the newest state is written: while one write runs, older ones that wait are dropped. */
  #saveTrust(bytes: Uint8Array): void {
    const isWaiting = this.#nextTrust !== undefined
    this.#nextTrust = bytes
    if (isWaiting) return
    this.#trust = this.#trust.then(async () => {
      const newest = this.#nextTrust
      this.#nextTrust = undefined
      if (newest) await this.#init.keepers.saveTrust(newest)
    })
    this.#start(this.#trust)
  }

  async #seal({ seq, keep, body }: Extract<MemberEffect, { type: 'seal' }>): Promise<void> {
    const origin = this.#init.originBox()
    if (!origin) return
    try {
      // The number is on disk before it is used: it must never stand for two reports.
      await this.#journal
      const sealed = sealReport({
        body,
        device: this.#init.device,
        seq,
        origin,
        ephemeral: randomBytes(32),
        nonce: randomBytes(24),
      })
      await this.#spool(sealed, { seq, keep })
    } catch (error) {
      if (codeOf(error)) this.#init.feed({ type: 'unreported' })
      throw error
    }
  }

  async #spool(sealed: Uint8Array, own?: OwnReport): Promise<void> {
    const name = sha256(sealed)
    await this.#init.keepers.outbox.put(name, sealed, own?.seq)
    this.#init.feed({ type: 'spooled', name, bytes: sealed.byteLength, ...(own && { own }) })
  }

  async #readReports(link: LinkId, names: readonly Digest[]): Promise<void> {
    const read = await Promise.all(names.map((name) => this.#init.keepers.outbox.read(name)))
    this.#init.feed({ type: 'report-read', link, sealed: read.filter((bytes) => bytes !== undefined) })
  }

  async #savePackages(peer: PeerId, part: PackagePart): Promise<void> {
    const isKept = await this.#init.keepers.savePackages(peer, part)
    if (!isKept) this.#init.feed({ type: 'packages-lost', peer })
  }

  async #takeInventory(): Promise<void> {
    this.#init.feed({ type: 'inventory', inventory: await this.#init.takeInventory() })
  }
}
