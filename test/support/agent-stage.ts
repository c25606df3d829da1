/** One agent that a test drives, with what it asked for: state that each test sets anew with `begin`. */
import { expect } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { after, hour, instant, toDate, type Instant } from '#base/time.ts'
import { Agent, type AgentInit } from '#agent/agent.ts'
import type { AgentEffect } from '#agent/effect.ts'
import type { AgentInput } from '#agent/input.ts'
import type { SignedBundle } from '#agent/assignment.ts'
import { Journal } from '#agent/journal.ts'
import type { ContentRef } from '#content/content-ref.ts'
import { encodeManifest } from '#content/manifest.ts'
import type { Report, ResourceOutcome } from '#facts/report.ts'
import type { Device } from '#policy/select.ts'

export const start = instant(Date.UTC(2026, 2, 6, 16))
export let now: Instant
export let agent: Agent
let journal: Journal
export let effects: AgentEffect[]
export const manifests = new Map<string, { bytes: Uint8Array; contents: ContentRef[] }>()

export function restart(
  device: Partial<Omit<Device, 'facts'>> = {},
  kept = journal,
  more: Partial<AgentInit> = {},
): void {
  journal = kept
  effects = []
  agent = new Agent({
    device: { role: 'client', site: 'berlin', labels: { role: 'web' }, ...device },
    journal,
    seed: 'device',
    ...more,
  })
}
/** Moves the clock, also backwards. */
export const setNow = (time: Instant): Instant => (now = time)

/** Sets the stage anew. */
export function begin(): void {
  now = start
  restart({}, Journal.replay([]))
}

export function feed(input: AgentInput): AgentEffect[] {
  const before = effects.length
  agent.handle(input, now, (effect) => effects.push(effect))
  return effects.slice(before)
}
/** Lets time pass, waking the agent whenever it wants. */
export function pass(ms: number): AgentEffect[] {
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
export const of = <Type extends AgentEffect['type']>(type: Type, from: readonly AgentEffect[] = effects) =>
  from.filter((effect): effect is Extract<AgentEffect, { type: Type }> => effect.type === type)

/** A signed bundle with a manifest of so many contents. */
export function bundle(name: string, version = 1, custom: Record<string, unknown> = {}, contents = 1): SignedBundle {
  const refs = Array.from({ length: contents }, (_, index): ContentRef => {
    const digest = sha256(utf8(`${name} ${version} ${index}`))
    return { digest, length: 100 }
  })
  const bytes = encodeManifest({ name, version, contents: refs, files: [] })
  const digest = sha256(bytes)
  manifests.set(digest, { bytes, contents: refs })
  return { name, version, manifest: { digest, length: bytes.byteLength }, custom }
}
export const digestOf = (signed: SignedBundle): Digest => signed.manifest.digest as Digest
let release = 0
export const publish = (...bundles: SignedBundle[]): AgentEffect[] =>
  feed({ type: 'release', release: ++release, bundles })
/** The manifest and all contents of a bundle come. */
export function deliver(signed: SignedBundle): AgentEffect[] {
  const before = effects.length
  const { bytes, contents } = manifests.get(digestOf(signed)) ?? { bytes: undefined, contents: [] }
  feed({ type: 'complete', content: digestOf(signed) })
  feed({ type: 'manifest', content: digestOf(signed), bytes })
  for (const { digest } of contents) feed({ type: 'complete', content: digest })
  return effects.slice(before)
}
export const prepared = (name: string, version = 1): AgentEffect[] =>
  feed({ type: 'prepared', name, version, outcome: { type: 'prepared', engine: 'cfengine' } })
export const applied = (name: string, version = 1, outcome: ResourceOutcome = 'kept'): AgentEffect[] =>
  feed({
    type: 'applied',
    name,
    version,
    outcome: { type: 'results', results: [{ id: '0:file:/x', kind: 'file', outcome }] },
  })
export const state = (name: string): string | undefined => agent.status().find((status) => status.name === name)?.state
export const reports = (from: readonly AgentEffect[] = effects): Report[] =>
  of('report', from).map(({ report }) => report)
/** A window that opens so much later, for an hour. */
export const windowIn = (ms: number): Record<string, unknown> => ({
  windows: [{ start: toDate(after(now, ms)).slice(0, 19), durationMs: hour, zone: 'UTC' }],
})
