/**
 * One opened home as a member: its files, its machine, and the effects between them. A command opens one for a moment, without a
 * network; the daemon adds the network and keeps it. Whoever holds a session holds the lock of the home.
 */
import { join } from 'node:path'
import { textOf } from '#base/bytes.ts'
import { Misconfigured } from '#base/errors.ts'
import { silentLog, type Log } from '#base/log.ts'
import { Random } from '#base/random.ts'
import { durationOf } from '#base/time.ts'
import { WallClock } from '#base/wall-clock.ts'
import { Journal, type JournalEntry } from '#agent/journal.ts'
import type { Holding } from '#content/chunk-store.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { readIfThere } from '#disk/atomic.ts'
import { FileStore } from '#disk/file-store.ts'
import { Home } from '#disk/home.ts'
import { JournalFile } from '#disk/journal-file.ts'
import { Outbox } from '#disk/outbox.ts'
import { saveTrust } from '#disk/trust-files.ts'
import type { Facts } from '#facts/inventory.ts'
import { Member, type MemberInput } from '#member/member.ts'
import type { BundleHistory } from '#origin/bundle-history.ts'
import type { Address } from '#protocol/link.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import type { RepositoryKeys } from '#trust/repository.ts'
import { intakeOf, knownAddresses, membershipOf, trustOf } from './beginnings.ts'
import { budgetPlan } from './budget.ts'
import { loadHistory } from './published.ts'
import { Clock, realTime } from './clock.ts'
import { parseConfig, type Config } from './config.ts'
import { Effects, type Keepers } from './effects.ts'
import { enginesOf } from './engine-set.ts'
import { Housekeeping } from './housekeeping.ts'
import { readIdentity, readRepositoryKeys, type Identity } from './identity.ts'
import { LedgerBook } from './ledger-book.ts'
import { PackageBook } from './package-book.ts'
import { takeInventory } from './self-portrait.ts'
import { fleetDocument, statusDocument, type FleetDocument, type StatusDocument } from './status.ts'
import { Safekeeping } from './safekeeping.ts'
import { isFitForUplink } from './uplink-fitness.ts'
import { wantedBundles } from './wanted-bundles.ts'
import { Workshop } from './workshop.ts'

/** LAN discovery on one interface. */
export interface LanState {
  readonly interface: string
  readonly ok: boolean
  readonly error?: string
}

/** What only the origin has. */
export interface OriginPart {
  readonly repository: RepositoryKeys
  readonly history: BundleHistory
}

interface Parts {
  readonly home: Home
  readonly config: Config
  readonly identity: Identity
  readonly store: FileStore
  readonly outbox: Outbox
  readonly member: Member
  readonly journal: Journal
  readonly ledgerBook: LedgerBook
  readonly origin: OriginPart | undefined
  readonly keepers: Omit<Keepers, 'open'>
  readonly log: Log
  readonly clock: Clock
}

export class Session {
  readonly home: Home
  readonly config: Config
  readonly identity: Identity
  readonly store: FileStore
  readonly outbox: Outbox
  readonly member: Member
  readonly journal: Journal
  readonly ledgerBook: LedgerBook
  readonly effects: Effects
  readonly workshop: Workshop
  readonly housekeeping: Housekeeping
  readonly log: Log
  readonly clock: Clock
  readonly #origin: OriginPart | undefined
  #addresses: readonly Address[] = []
  #lanState: () => readonly LanState[] = () => []
  #afterFeed: () => void = () => {}
  readonly #waiting = new Map<() => boolean, () => void>()
  #leave: () => void = () => {}
  #exclusive: Promise<unknown> = Promise.resolve()
  #bug: (error: unknown) => void = (error) => {
    throw error
  }

  private constructor(parts: Parts) {
    const { home, config, identity, store, outbox, member, origin, log } = parts
    this.home = home
    this.config = config
    this.identity = identity
    this.store = store
    this.outbox = outbox
    this.member = member
    this.journal = parts.journal
    this.ledgerBook = parts.ledgerBook
    this.log = log
    this.clock = parts.clock
    this.#origin = origin
    this.workshop = new Workshop({
      home,
      store,
      engines: enginesOf(config),
      facts: () => this.facts(),
      labels: member.protocol.self.membership.labels,
      timeoutMs: durationOf(config.engine.timeout, 'engine.timeout'),
      now: realTime,
    })
    this.housekeeping = new Housekeeping({
      home,
      store,
      log,
      quotaBytes: config.disk.quotaBytes,
      wanted: () => wantedBundles(member, origin?.history),
      isForOthers: (content) => member.agent?.isForOthers(content) ?? false,
      isMissing: (content) => (member.protocol.exchange.content(content)?.phase ?? 'complete') !== 'complete',
      isAtWork: (name) => this.workshop.isAtWork(name),
      evicted: (contents) => this.feed({ type: 'evicted', contents }),
      now: realTime,
    })
    this.effects = new Effects({
      keepers: { ...parts.keepers, open: (ref) => this.#open(ref) },
      works: this.workshop,
      takeInventory,
      probations: new Safekeeping({
        home,
        log,
        opened: (name, version) => this.workshop.opened(name, version),
        checkMonitors: (name, version, limits) => this.workshop.checkMonitors(name, version, limits),
      }),
      device: identity.device,
      log,
      originBox: () => member.protocol.self.set.origin()?.boxes[0]?.public,
      feed: (input) => this.feed(input),
      onBug: (error) => this.#bug(error),
    })
  }

  /** Opens a home and takes its lock. Misconfigured `HOME_NOT_FOUND`, `HOME_LOCKED`, `HOME_DAMAGED` and others of its parts; nothing is changed then. */
  static async open(dir: string, log: Log = silentLog): Promise<Session> {
    const home = await Home.open(dir)
    try {
      return new Session(await partsOf(home, log))
    } catch (error) {
      await home.close()
      throw error
    }
  }

  /** Hands an input to the machine and carries out what it asks for. */
  feed(input: MemberInput): void {
    const now = this.clock.now()
    const aheadMs = this.clock.takeMove()
    if (aheadMs !== undefined)
      this.member.handle({ type: 'clock', aheadMs }, now, (effect) => this.effects.carryOut(effect))
    this.member.handle(input, now, (effect) => this.effects.carryOut(effect))
    this.#afterFeed()
    for (const isSo of this.#waiting.keys()) this.#settle(isSo)
  }

  /** Resolves as soon as this is so; it is asked after every input. */
  until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(isSo, resolve)
      this.#settle(isSo)
    })
  }

  #settle(isSo: () => boolean): void {
    if (!isSo()) return
    this.#waiting.get(isSo)?.()
    this.#waiting.delete(isSo)
  }

  /** The origin has what it publishes: it fetches nothing. */
  async #open(ref: ContentRef): Promise<Holding> {
    return this.member.agent ? this.housekeeping.open(ref) : this.store.open(ref)
  }

  /** The daemon's part: who is told after each input, and where our own mistakes go. */
  onFeed(afterFeed: () => void, onBug: (error: unknown) => void): void {
    this.#afterFeed = afterFeed
    this.#bug = onBug
  }

  /** Who ends the process when this member leaves the fleet. */
  onLeave(leave: () => void): void {
    this.#leave = leave
  }

  /** Ends the daemon, for good. */
  leave(): void {
    this.#leave()
  }

  /** What lies in the home is made known to the machine: contents to serve, reports to carry. */
  async load(): Promise<void> {
    const complete = this.store.holdings().filter((holding) => holding.complete)
    if (complete.length > 0) this.feed({ type: 'added', refs: complete.map((holding) => holding.ref) })
    for (const { name, bytes, seq } of await this.outbox.list())
      this.feed({ type: 'spooled', name, bytes, ...(seq !== undefined && { own: { seq } }) })
  }

  /** The network of the daemon: where it listens, and how LAN discovery fares. */
  connected(addresses: readonly Address[], lanState: () => readonly LanState[]): void {
    this.#addresses = addresses
    this.#lanState = lanState
  }

  /** LAN discovery by interface; empty without a daemon. */
  lanState(): readonly LanState[] {
    return this.#lanState()
  }

  /** Where the daemon listens; empty without one. */
  addresses(): readonly Address[] {
    return this.#addresses
  }

  /** The origin's keys. Misconfigured `NOT_ORIGIN` anywhere else. */
  originPart(): OriginPart {
    if (this.#origin) return this.#origin
    throw new Misconfigured('NOT_ORIGIN', {
      message: `This home is a ${this.member.protocol.self.membership.role}, and only the origin can do that.`,
      where: this.home.dir,
      next: 'Run it on the origin, or with --home naming its folder.',
    })
  }

  /** Facts of this machine with the configuration's own beside them. */
  facts(): Facts {
    return this.member.agent?.reporting.facts ?? {}
  }

  /** Runs one piece of work after all others that asked for the same: two publishes must not take one version. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#exclusive.then(work, work)
    this.#exclusive = turn.catch(() => undefined)
    return turn
  }

  /** Removes what is no longer needed; not while something is published, whose contents nothing names yet. */
  async sweep(): Promise<void> {
    await this.exclusively(() => this.housekeeping.sweep())
  }

  /** Resolves when everything that was asked for is on disk. */
  async written(): Promise<void> {
    await this.effects.settled()
  }

  async status(): Promise<StatusDocument> {
    const { agent, protocol } = this.member
    const { set } = protocol.self
    // Without a daemon nobody told the agent of the release on disk; what it would do about it now is not done.
    if (this.#addresses.length === 0)
      agent?.handle({ type: 'release', release: set.release, bundles: set.bundles() }, realTime(), () => {})
    return statusDocument({
      member: this.member,
      running: this.#addresses.length > 0,
      addresses: this.#addresses,
      fleet: this.identity.facts.fleet,
      outbox: (await this.outbox.list()).length,
      contents: this.store.holdings(),
      budget: budgetPlan(this.config)(realTime()),
      now: realTime(),
    })
  }

  fleet(): FleetDocument {
    this.originPart()
    return fleetDocument(this.member)
  }

  async close(): Promise<void> {
    await this.effects.drain()
    try {
      await this.housekeeping.settled()
      await this.ledgerBook.save()
    } finally {
      await this.home.close()
    }
  }
}

async function partsOf(home: Home, log: Log): Promise<Parts> {
  const clock = new Clock()
  const configPath = join(home.dir, 'config.yaml')
  const config = parseConfig(textOf((await readIfThere(configPath)) ?? new Uint8Array()) ?? '\u0000', configPath)
  const identity = await readIdentity(home)
  const set = await trustOf(home, identity)
  const membership = membershipOf(home, identity, set)
  const store = await FileStore.open(home.contents, home.index)
  const outbox = await Outbox.open(home.outbox)
  const journalFile = await JournalFile.open(join(home.journal, 'agent.journal'))
  const journal = Journal.replay(journalFile.entries)
  if (journalFile.isLong) await journalFile.rewrite(journal.entries())
  const isOrigin = membership.role === 'origin'
  const repository = isOrigin ? await readRepositoryKeys(home) : undefined
  const member = new Member({
    protocol: {
      self: {
        peer: peerIdOf(identity.device.public),
        membership,
        certificate: identity.certificate,
        pinnedIssuers: identity.facts.issuers.map((issuer) => ({ public: issuer })),
        set,
        // Two members, and two starts of one, must not draw the same: jitter would not spread them.
        wall: new WallClock(),
        random: new Random(`${identity.device.public.join()} ${realTime()} ${process.pid}`),
        isUnfit: !(await isFitForUplink()),
        trade: config.trade,
      },
      known: await knownAddresses(home, identity, config),
      now: clock.now(),
      budget: budgetPlan(config),
      isPolite: config.wan.polite,
    },
    ...(isOrigin
      ? {}
      : {
          agent: {
            device: { role: membership.role, site: membership.site, labels: membership.labels },
            journal,
            urgent: config.urgent,
            graceMs: config.probationMs,
          },
        }),
    ...(repository && { intake: await intakeOf(home, identity.device, repository, set) }),
  })
  const packages = new PackageBook(home.index)
  const keepers: Parts['keepers'] = {
    store,
    older: ({ content, first, count }) => store.older(content, { first, count }),
    outbox,
    saveTrust: (bytes) => saveTrust(home.trust, bytes),
    saveAddresses: (known) => home.index.putNote('addresses', known),
    savePackages: (peer, part) => packages.save(peer, part),
    saveDevice: (device) => home.index.putNote(`device/${device.peer}`, device),
    appendJournal: async (entry: JournalEntry) => {
      await journalFile.append(entry)
      // Looks and monitors write for as long as a daemon runs.
      if (journalFile.isLong) await journalFile.rewrite(journal.entries())
    },
  }
  const ledgerBook = await LedgerBook.open({ index: home.index, store, protocol: member.protocol, now: realTime() })
  const origin = repository && { repository, history: await loadHistory(home, config.disk.versions) }
  return { home, config, identity, store, outbox, member, journal, ledgerBook, origin, keepers, log, clock }
}
