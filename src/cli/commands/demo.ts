/**
 * `grapevine demo` (what `npm start` runs): a small fleet on loopback, live: who has what, then the window, apply, reports.
 * Exit 0 only if every client applied and every report arrived. Leaves no process and no file, on Ctrl-C too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '#base/assert.ts'
import { Negative } from '#base/errors.ts'
import { isInstalled } from '#node/engine-set.ts'
import type { FleetDocument } from '#node/status.ts'
import type { Action } from '../main.ts'
import { DemoFleet, policyName } from '../demo/demo-fleet.ts'
import { sizeText, table, type Output } from '../print.ts'

/** Long enough for everybody to have prepared before it opens, also on a slow laptop; the demo ends in under a minute. */
const opensInMs = 6_000
const limitMs = 55_000
const lookMs = 250
/** The exit code for each, as a shell gives it: 128 and the number of the signal. */
const interruptions = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 }

export const action: Action<{ keep: boolean }> = async ({ output }, { keep }) => {
  const startedAt = Date.now()
  const usesPretend = !(await isInstalled('cfengine'))
  if (usesPretend)
    output.note(
      'cf-agent is not installed (apt-get install cfengine3): the demo applies with its pretend engine, into a scratch folder.',
    )
  const fleet = await DemoFleet.make(usesPretend)
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<keyof typeof interruptions>()
  const onSignal = (signal: NodeJS.Signals): void => interrupt(signal as keyof typeof interruptions)
  // Nobody watches any more: the terminal was closed, or the pipe.
  const onUnwatched = (): void => interrupt('SIGPIPE')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onUnwatched)
  const played = play(fleet, output, startedAt)
  try {
    const ended = await Promise.race([interrupted, played])
    if (typeof ended === 'string') return interruptions[ended]
    output.answer(ended.document, ended.text)
    return ended.ok ? 0 : 1
  } finally {
    // Until all is away the handlers stay: an impatient second Ctrl-C must not leave files behind.
    await fleet.end(keep, played)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal)
    for (const stream of [process.stdout, process.stderr]) stream.off('error', onUnwatched)
    if (keep) output.note(`Kept: ${fleet.folder}`)
  }
}

interface Ending {
  readonly ok: boolean
  readonly document: unknown
  readonly text: readonly string[]
}

async function play(fleet: DemoFleet, output: Output, startedAt: number): Promise<Ending> {
  const say = (text: string): void => {
    if (!output.json) output.note(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${text}`)
  }
  say('starting an origin, a relay and five clients in two sites …')
  await fleet.start()
  say(`all ${fleet.members.length + 1} members are ready`)
  const published = await fleet.publish(opensInMs)
  assert(published.problems.length === 0, 'the sample policy passes its own check')
  const { release } = published
  say(
    `release ${release} published: ${policyName}, ${sizeText(published.bundles[0]?.bytes ?? 0)}; its window opens in ${opensInMs / 1000} s`,
  )
  const told = new Set<string>()
  const once = (key: string, text: string): void => {
    if (!told.has(key)) say(text)
    told.add(key)
  }
  let known: FleetDocument | undefined
  while (Date.now() - startedAt < limitMs) {
    known = (await fleet.look()) ?? known
    const fallen = [fleet.origin, ...fleet.members].find((member) => member.failure)
    if (fallen?.failure) throw fallen.failure
    const states = fleet.clients.map((member) => ({ member, bundle: member.status?.bundles[0] }))
    for (const { member, bundle } of states) {
      if (bundle?.prepared)
        once(`${member.name} prepared`, `${member.name} has prepared it, ${sourceText(member.status)}`)
      if (bundle?.state === 'applied') once(`${member.name} applied`, `${member.name} has applied it`)
    }
    const prepared = states.filter(({ bundle }) => bundle?.prepared).length
    const applied = states.filter(({ bundle }) => bundle?.state === 'applied').length
    const reports = known ? appliedReports(known) : 0
    output.progress(
      `prepared ${prepared}/${states.length}  applied ${applied}/${states.length}  reports ${reports}/${states.length}`,
    )
    if (applied === states.length && reports === states.length) return ending(fleet, known, release, startedAt)
    await sleep(lookMs)
  }
  const last = ending(fleet, known, release, startedAt)
  if (output.json) return { ...last, ok: false }
  throw new Negative('WAIT_TIMEOUT', {
    message: `The demo did not finish within ${limitMs / 1000} s: ${last.text.at(-1) ?? ''}`,
    next: 'Run it again with --keep and look at its folders with `grapevine status --home …`.',
  })
}

const appliedReports = (known: FleetDocument): number =>
  known.devices.filter((device) => device.role === 'client' && device.bundles.some(({ state }) => state === 'applied'))
    .length

function sourceText(status: DemoFleet['origin']['status']): string {
  if (!status) return ''
  const { wan, lan } = status
  return `${sizeText(wan.downBytes)} over the line, ${sizeText(lan.downBytes)} from neighbours`
}

function ending(fleet: DemoFleet, known: FleetDocument | undefined, release: number, startedAt: number): Ending {
  const clients = fleet.clients
  const applied = clients.filter((member) => member.status?.bundles[0]?.state === 'applied').length
  const reports = known ? appliedReports(known) : 0
  const names = [...new Set(fleet.members.map((member) => member.site))]
  const sites = names.map((name) => {
    const statuses = fleet.members.flatMap((member) => (member.site === name && member.status ? [member.status] : []))
    const wanDownBytes = statuses.reduce((sum, status) => sum + status.wan.downBytes, 0)
    // Every member of a site needs the same here, so what one needed is what the site needed.
    const neededBytes = Math.max(0, ...statuses.map((status) => status.wan.neededBytes))
    const factor = neededBytes === 0 ? null : Number((wanDownBytes / neededBytes).toFixed(3))
    return { name, wanDownBytes, neededBytes, factor, members: statuses.length }
  })
  const seconds = Number(((Date.now() - startedAt) / 1000).toFixed(1))
  const rows = sites.map((site) => [
    site.name,
    String(site.members),
    sizeText(site.neededBytes),
    sizeText(site.wanDownBytes),
    site.factor === null ? '' : `${site.factor.toFixed(2)} x`,
  ])
  const document = {
    members: fleet.members.length + 1,
    release,
    applied,
    reports,
    seconds,
    sites: sites.map(({ members: _members, ...site }) => site),
  }
  return {
    ok: applied === clients.length && reports === clients.length,
    document,
    text: [
      '',
      ...table(['SITE', 'MEMBERS', 'NEEDED', 'CAME OVER ITS LINE', 'FACTOR'], rows),
      '',
      `${applied} of ${clients.length} clients applied, ${reports} of ${clients.length} reports arrived, in ${seconds} s.`,
    ],
  }
}
