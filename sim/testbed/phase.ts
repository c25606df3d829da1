/**
 * One measured stretch of a run: from a moment in which something becomes wanted until everybody has it. Keeps the counters of the
 * lines from its beginning, when who was ready and had everything, and how busy each line was.
 */
import { cpus } from 'node:os'
import type { SitePlan } from '../scenario.ts'
import type { BedNetwork, Traffic } from './network.ts'

export interface PhaseInit {
  readonly name: string
  /** Bytes of content that each site lacks. */
  readonly uniqueBytes: number
  readonly sites: readonly SitePlan[]
  readonly originBps: number
  readonly network: BedNetwork
}

export interface SiteResult {
  readonly site: string
  /** Rate of the line towards the site. */
  readonly bps: number
  readonly downBytes: number
  readonly upBytes: number
  /** Bytes down the line for every byte that the site lacked. */
  readonly factor: number
  /** Seconds until its last client had everything. */
  readonly lastS: number | undefined
  /** Bytes down in each half second. */
  readonly series: readonly number[]
}

export interface PhaseResult {
  readonly name: string
  readonly done: boolean
  readonly uniqueBytes: number
  /** Seconds that the content takes at the rate of the lines, without any header. */
  readonly boundS: number
  /** Seconds from the beginning. */
  readonly firstReadyS: number | undefined
  readonly lastReadyS: number | undefined
  readonly firstS: number | undefined
  readonly lastS: number | undefined
  readonly originUpBytes: number
  /** The share of all cores that had nothing to do: near 0, times say more of this machine than of the program. */
  readonly coresIdle: number
  readonly sites: readonly SiteResult[]
  /** Who lacks something at the end. */
  readonly lacking: readonly string[]
}

const sampleMs = 500

export class Phase {
  readonly #init: PhaseInit
  readonly #before: Map<string, Traffic>
  readonly #originBefore: Traffic
  readonly #coresBefore = cores()
  readonly #series = new Map<string, number[]>()
  readonly #prepared = new Map<string, { site: string; at: number }>()
  readonly #waited = new Set<string>()
  readonly #ready = new Map<string, number>()
  #startedAt = performance.now()
  #uniqueBytes: number

  constructor(init: PhaseInit) {
    this.#init = init
    this.#uniqueBytes = init.uniqueBytes
    this.#before = new Map(init.sites.map((site) => [site.id, init.network.traffic(site.id)]))
    this.#originBefore = init.network.originTraffic()
  }

  /** Time begins now: what made the content wanted has ended. The counters go on from before. */
  restart(): void {
    this.#startedAt = performance.now()
  }

  /** What is lacked is known now; time begins. */
  expect(uniqueBytes: number): void {
    this.#uniqueBytes = uniqueBytes
    this.restart()
  }

  ready(member: string, at: number): void {
    if (at >= this.#startedAt && !this.#ready.has(member)) this.#ready.set(member, at)
  }

  /** It lacks something now. */
  waits(member: string): void {
    this.#waited.add(member)
  }

  /** It has everything; counts only where it lacked something in this phase. */
  prepared(member: string, site: string): void {
    if (this.#waited.has(member) && !this.#prepared.has(member))
      this.#prepared.set(member, { site, at: performance.now() })
  }

  /** The share of what a site lacked that has come down its line. */
  progress(site: string): number {
    return this.#uniqueBytes === 0 ? 0 : this.#since(site).downBytes / this.#uniqueBytes
  }

  /** Notes how much came in each half second. */
  sample(): void {
    const index = Math.floor((performance.now() - this.#startedAt) / sampleMs)
    for (const site of this.#init.sites) {
      const series = this.#series.get(site.id) ?? []
      while (series.length <= index) series.push(0)
      series[index] = this.#since(site.id).downBytes
      this.#series.set(site.id, series)
    }
  }

  end(lacking: readonly string[]): PhaseResult {
    const { name, sites, originBps, network } = this.#init
    const bits = this.#uniqueBytes * 8
    // Sites that trade could do with one copy for all of them.
    const copies = sites.filter(({ trade }) => !trade).length + Number(sites.some(({ trade }) => trade))
    const slowest = Math.max(...sites.map((site) => bits / site.uplink.bandwidthDown))
    const times = [...this.#prepared.values()]
    const seconds = (at: number): number | undefined =>
      Number.isFinite(at) ? round((at - this.#startedAt) / 1000) : undefined
    return {
      name,
      done: lacking.length === 0,
      uniqueBytes: this.#uniqueBytes,
      boundS: round(Math.max(slowest, (bits * copies) / originBps)),
      firstReadyS: seconds(Math.min(...this.#ready.values())),
      lastReadyS: seconds(Math.max(...this.#ready.values())),
      firstS: seconds(Math.min(...times.map(({ at }) => at))),
      lastS: seconds(Math.max(...times.map(({ at }) => at))),
      coresIdle: round(idleShare(this.#coresBefore, cores())),
      originUpBytes: network.originTraffic().upBytes - this.#originBefore.upBytes,
      sites: sites.map((site) => ({
        site: site.id,
        bps: site.uplink.bandwidthDown,
        ...this.#since(site.id),
        factor: this.#uniqueBytes === 0 ? 0 : round(this.#since(site.id).downBytes / this.#uniqueBytes),
        lastS: seconds(Math.max(...times.filter((time) => time.site === site.id).map(({ at }) => at))),
        series: differences(this.#series.get(site.id) ?? []),
      })),
      lacking,
    }
  }

  #since(site: string): Traffic {
    const [now, before] = [this.#init.network.traffic(site), this.#before.get(site)]
    return {
      downBytes: now.downBytes - (before?.downBytes ?? 0),
      upBytes: now.upBytes - (before?.upBytes ?? 0),
    }
  }
}

const round = (number: number): number => Math.round(number * 10_000) / 10_000

/** A half second without a look counts as zero; what came meanwhile is in the next. */
function differences(sums: readonly number[]): number[] {
  let before = 0
  return sums.map((sum) => {
    const difference = Math.max(0, sum - before)
    before = Math.max(before, sum)
    return difference
  })
}

interface Cores {
  readonly idle: number
  readonly all: number
}

function cores(): Cores {
  const times = cpus().map(({ times: each }) => each)
  const idle = times.reduce((sum, each) => sum + each.idle, 0)
  return { idle, all: times.reduce((sum, each) => sum + each.user + each.nice + each.sys + each.irq, idle) }
}

const idleShare = (before: Cores, after: Cores): number =>
  (after.idle - before.idle) / Math.max(1, after.all - before.all)
