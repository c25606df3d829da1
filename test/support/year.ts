/**
 * A device over a made-up year: the agent as it ships, on a clock that people set, in a machine that is switched off and sleeps, behind a
 * line that is cut, of an origin that is away. Engine, line and store are pretended. Times are real ones; the wall is `shift` beside.
 */
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import type { Random } from '#base/random.ts'
import { day, hour, instant, minute, type Instant } from '#base/time.ts'
import { Agent } from '#agent/agent.ts'
import type { AgentEffect } from '#agent/effect.ts'
import type { AgentInput } from '#agent/input.ts'
import type { SignedBundle } from '#agent/assignment.ts'
import { Journal, type JournalEntry } from '#agent/journal.ts'
import { encodeManifest } from '#content/manifest.ts'
import { windowClosed, type MissedWindows, type ResourceResult } from '#facts/report.ts'

export const yearStart = Date.UTC(2026, 0, 1)
export const yearEnd = Date.UTC(2027, 0, 1)

/** A span of real time. */
export type Span = readonly [from: number, to: number]

export interface Plan {
  readonly bundles: readonly { readonly name: string; readonly custom: Readonly<Record<string, unknown>> }[]
  readonly off: readonly Span[]
  readonly asleep: readonly Span[]
  /** No news and no contents come: the line is cut, or the origin away. */
  readonly cut: readonly Span[]
  /** The clock is wrong by so much. */
  readonly wrong: readonly { readonly span: Span; readonly byMs: number }[]
  /** When a bundle gets a new version. */
  readonly published: readonly { readonly at: number; readonly name: string }[]
}

interface Event {
  readonly at: number
  readonly run: () => void
  /** Of the running program: gone with it, and late where the machine sleeps. */
  readonly life?: number
}

const resources = 4

export class YearDevice {
  /** Wall time at which each resource was begun. */
  readonly begun: {
    readonly name: string
    readonly version: number
    readonly real: number
    readonly wall: number
    readonly first: boolean
  }[] = []
  /** Real time at which a version was prepared, applied to its end, or was known to be replaced: `name@version`. */
  readonly prepared = new Map<string, number>()
  readonly applied = new Map<string, number>()
  readonly learnt: { readonly at: number; readonly name: string; readonly version: number }[] = []
  readonly missed = new Map<string, MissedWindows>()
  wakes = 0
  readonly #plan: Plan
  readonly #random: Random
  readonly #events: Event[] = []
  readonly #journal: JournalEntry[] = []
  readonly #here = new Set<Digest>()
  readonly #manifests = new Map<Digest, Uint8Array>()
  readonly #published = new Map<string, number>()
  #known: SignedBundle[] = []
  #release = 0
  #agent: Agent | undefined
  #life = 0
  #isAsleep = false
  #late: (() => void)[] = []
  #real = yearStart
  #shift = 0
  #ending = false

  constructor(plan: Plan, random: Random) {
    this.#plan = plan
    this.#random = random
    const { off, asleep, cut, wrong, published } = plan
    for (const { name } of plan.bundles) this.#published.set(name, 1)
    for (const { at, name } of published)
      this.#at(at, () => void this.#published.set(name, (this.#published.get(name) ?? 0) + 1))
    for (const { at } of published) this.#at(this.#whenUp(at + 1_000), () => this.#learn())
    for (const [, to] of cut) this.#at(to + 1_000, () => this.#learn())
    for (const [from, to] of off) {
      this.#at(from, () => this.#powerOff())
      this.#at(to, () => this.#powerOn())
    }
    for (const [from, to] of asleep) {
      this.#at(from, () => (this.#isAsleep = true))
      this.#at(to, () => this.#wakeUp())
    }
    for (const { span, byMs } of wrong) {
      this.#at(span[0], () => this.#setClock(byMs))
      this.#at(span[1], () => this.#setClock(0))
    }
  }

  run(): void {
    this.#powerOn()
    while (this.#real < yearEnd) {
      const wake = this.#agent && !this.#isAsleep ? this.#agent.nextWake() : undefined
      const wakeAt = wake === undefined ? Number.POSITIVE_INFINITY : Math.max(this.#real, wake - this.#shift)
      const [next] = this.#events
      if (next && next.at <= wakeAt) {
        this.#events.shift()
        this.#real = Math.max(this.#real, next.at)
        if (next.life === undefined) next.run()
        else if (next.life === this.#life && this.#isAsleep) this.#late.push(next.run)
        else if (next.life === this.#life) next.run()
      } else if (wakeAt < Number.POSITIVE_INFINITY) {
        this.#real = wakeAt
        this.wakes++
        this.#feed({ type: 'wake' })
      } else return
    }
  }

  #at(at: number, run: () => void, life?: number): void {
    const index = this.#events.findLastIndex((event) => event.at <= at) + 1
    this.#events.splice(index, 0, life === undefined ? { at, run } : { at, run, life })
  }

  #soon(ms: number, run: () => void): void {
    this.#at(this.#real + ms, run, this.#life)
  }

  get #wall(): Instant {
    return instant(this.#real + this.#shift)
  }

  #whenUp(at: number): number {
    const span = this.#plan.cut.find(([from, to]) => from <= at && at < to)
    return span ? span[1] + 1_000 : at
  }

  #feed(input: AgentInput): void {
    const effects: AgentEffect[] = []
    this.#agent?.handle(input, this.#wall, (effect) => effects.push(effect))
    for (const effect of effects) this.#carryOut(effect)
    for (const { name, missed } of this.#agent?.status() ?? []) if (missed) this.missed.set(name, missed)
  }

  #powerOn(): void {
    this.#life++
    const entries = this.#journal.map((entry) => JSON.parse(JSON.stringify(entry)) as unknown)
    this.#agent = new Agent({
      device: { role: 'client', site: 'berlin', labels: {} },
      journal: Journal.replay(entries),
      seed: 'device',
    })
    this.#feed({ type: 'facts', facts: {} })
    if (this.#known.length > 0) this.#feed({ type: 'release', release: this.#release, bundles: this.#known })
    this.#learn()
  }

  #powerOff(): void {
    this.#life++
    this.#agent = undefined
    this.#isAsleep = false
    this.#late = []
  }

  #wakeUp(): void {
    if (!this.#isAsleep) return
    this.#isAsleep = false
    this.#feed({ type: 'wake' })
    const late = this.#late
    this.#late = []
    for (const run of late) run()
    this.#learn()
  }

  #setClock(shift: number): void {
    const movedMs = shift - this.#shift
    this.#shift = shift
    if (!this.#agent || this.#isAsleep) return
    this.#feed(movedMs < 0 ? { type: 'clock-moved', movedMs } : { type: 'wake' })
  }

  /** Hears of the newest release, where the line is up and the machine runs. */
  #learn(): void {
    if (!this.#agent || this.#isAsleep || this.#whenUp(this.#real) !== this.#real) return
    const bundles = this.#plan.bundles.map(({ name, custom }) =>
      this.#signed(name, this.#published.get(name) ?? 1, custom),
    )
    for (const { name, version } of bundles)
      if (!this.#known.some((known) => known.name === name && known.version === version))
        this.learnt.push({ at: this.#real, name, version })
    this.#known = bundles
    this.#feed({ type: 'release', release: ++this.#release, bundles })
  }

  #signed(name: string, version: number, custom: Readonly<Record<string, unknown>>): SignedBundle {
    const content = sha256(utf8(`${name} ${version}`))
    const bytes = encodeManifest({ name, version, contents: [{ digest: content, length: 10 }], files: [] })
    const digest = sha256(bytes)
    this.#manifests.set(digest, bytes)
    return { name, version, manifest: { digest, length: bytes.byteLength }, custom }
  }

  #carryOut(effect: AgentEffect): void {
    switch (effect.type) {
      case 'want':
        return this.#fetch(effect.ref.digest)
      case 'read-manifest':
        return this.#soon(10, () =>
          this.#feed({ type: 'manifest', content: effect.content, bytes: this.#manifests.get(effect.content) }),
        )
      case 'prepare':
        return this.#soon(minute, () => {
          this.prepared.set(`${effect.name}@${effect.version}`, this.#real)
          const outcome = { type: 'prepared', engine: 'pretend' } as const
          this.#feed({ type: 'prepared', name: effect.name, version: effect.version, outcome })
        })
      case 'apply':
        this.#ending = false
        return this.#begin(effect.name, effect.version, [])
      case 'end-apply':
        this.#ending = true
        return
      case 'journal':
        this.#journal.push(effect.entry)
        return
      default:
        return
    }
  }

  /** Comes within six hours of line. */
  #fetch(content: Digest): void {
    if (this.#here.has(content)) return this.#soon(1, () => this.#feed({ type: 'complete', content }))
    const at = this.#whenUp(this.#real + this.#random.between(1_000, 6 * hour))
    this.#soon(at - this.#real, () => {
      this.#here.add(content)
      this.#feed({ type: 'complete', content })
    })
  }

  #begin(name: string, version: number, results: readonly ResourceResult[]): void {
    const index = results.length
    const result = { id: `${index}:file:/x`, kind: 'file' }
    if (index === resources) {
      const isOk = results.every(({ outcome }) => outcome !== 'failed' && outcome !== 'skipped')
      if (isOk) this.applied.set(`${name}@${version}`, this.#real)
      return this.#feed({ type: 'applied', name, version, outcome: { type: 'results', results } })
    }
    if (this.#ending)
      return this.#begin(name, version, [...results, { ...result, outcome: 'skipped', reason: windowClosed }])
    this.begun.push({ name, version, real: this.#real, wall: this.#wall, first: index === 0 })
    const outcome = this.#random.below(40) === 0 ? 'failed' : 'repaired'
    this.#soon(this.#random.between(minute, 15 * minute), () =>
      this.#begin(name, version, [...results, { ...result, outcome }]),
    )
  }
}

/** Spans of such a length, so many a year, one after the other. */
export function spansOf(random: Random, count: number, least: number, most: number): Span[] {
  const spans: Span[] = []
  let at = yearStart + day
  for (let index = 0; index < count; index++) {
    const from = at + random.between(hour, (2 * (yearEnd - yearStart)) / count)
    const to = from + random.between(least, most)
    if (to > yearEnd - day) break
    spans.push([from, to])
    at = to
  }
  return spans
}
