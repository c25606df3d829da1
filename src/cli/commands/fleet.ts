/** `grapevine fleet`: every device as the origin knows it, or one of them. */
import { Misconfigured, Negative } from '#base/errors.ts'
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { DeviceDocument } from '#node/fleet-device.ts'
import type { FleetDocument } from '#node/status.ts'
import type { Action } from '../main.ts'
import { pauseText } from '../pause-text.ts'
import { agoText, missedText, table } from '../print.ts'
import { watchedText, watchedWords } from '../watched-text.ts'
import { factLines } from './fact-lines.ts'

type Options = Record<string, unknown> & { packages?: boolean }

export const action: Action<Options> = async ({ home, output }, { packages }, [wanted]) => {
  if (packages && wanted === undefined)
    throw new Misconfigured('USAGE', {
      message: 'The packages are those of one device.',
      next: 'Name it: grapevine fleet DEVICE --packages.',
    })
  const fleet = (await callHome({ home: homeFolder(home), command: 'fleet' })) as FleetDocument
  const devices = fleet.devices.filter(
    (device) => wanted === undefined || device.name === wanted || device.peerId === wanted,
  )
  if (wanted !== undefined && devices.length === 0)
    throw new Negative('DEVICE_UNKNOWN', {
      message: `No device called "${wanted}" has said hello or reported yet.`,
      next: 'See grapevine fleet for those that have.',
    })
  if (wanted !== undefined && devices.length > 1) throw ambiguous(wanted, devices)
  const [device] = devices
  const parts =
    wanted === undefined || !device
      ? undefined
      : ((await callHome({
          home: homeFolder(home),
          command: 'fleet-device',
          args: { peerId: device.peerId },
        })) as DeviceDocument)
  const now = Date.now()
  const names = Map.groupBy(devices, ({ name }) => name)
  const rows = devices.map((device) => [
    (names.get(device.name)?.length ?? 0) > 1 ? `${device.name} (${device.peerId})` : device.name,
    device.role,
    device.site,
    String(device.release),
    reportText(device, now),
    watchedWords(device.drift.length, device.monitors.filter(({ state }) => state === 'failing').length) || '-',
    bundlesText(device, now),
  ])
  const empty = 'No device has said hello yet. Make a token with `grapevine token create`, join, and run.'
  const details =
    wanted === undefined ? [] : devices.flatMap((device) => [...detailsOf(device), ...watchedText(device, now)])
  if (device && parts) details.push('', ...partLines(device, parts, packages === true, now))
  output.answer(
    { ...fleet, devices: parts ? devices.map((one) => ({ ...one, ...parts })) : devices, ...sumsOf(devices) },
    rows.length === 0
      ? empty
      : [...table(['DEVICE', 'ROLE', 'SITE', 'RELEASE', 'REPORT', 'WATCHED', 'BUNDLES'], rows), ...details],
  )
  return 0
}

/** How many devices differ, and how many have a failing monitor; who left counts no more. */
const sumsOf = (devices: FleetDocument['devices']): { drifting: number; failing: number } => ({
  drifting: devices.filter(({ drift, left }) => drift.length > 0 && left === null).length,
  failing: devices.filter(({ monitors, left }) => left === null && monitors.some(({ state }) => state === 'failing'))
    .length,
})

/** Who left is not silent. */
function reportText({ left, lastReport }: FleetDocument['devices'][number], now: number): string {
  if (left !== null) return `left ${agoText(Date.parse(left), now)}`
  return lastReport === null ? 'never' : agoText(Date.parse(lastReport), now)
}

/** As many devices of one name are told. */
const toldMax = 8

/** Two machines of one name: an answer for one of them would be read as that of the other. */
function ambiguous(name: string, devices: FleetDocument['devices']): Misconfigured {
  const told = devices.slice(0, toldMax).map(({ peerId, site }) => `${peerId} (site ${site})`)
  const more = devices.length > toldMax ? ` and ${devices.length - toldMax} more` : ''
  return new Misconfigured('DEVICE_AMBIGUOUS', {
    message: `${devices.length} devices are called "${name}": ${told.join(', ')}${more}.`,
    next: 'Name one by its peer id; a machine that joined again is there twice, the one that still reports is it.',
  })
}

/** A pause that is over counts no more, though the device has not said so yet. */
const pausesOf = (
  { pauses }: FleetDocument['devices'][number],
  now: number,
): FleetDocument['devices'][number]['pauses'] => pauses.filter(({ until }) => Date.parse(until) > now)

function bundlesText(device: FleetDocument['devices'][number], now: number): string {
  const pauses = pausesOf(device, now)
  const all = pauses.find(({ bundle }) => bundle === null)
  const bundles = device.bundles.map(({ name, version, state, urgent }) => {
    const isPaused = pauses.some(({ bundle }) => bundle === name)
    return `${name}@${version} ${state}${urgent ? ' (urgent)' : ''}${isPaused ? ' (paused)' : ''}`
  })
  return [...(all ? [`paused, ends ${agoText(Date.parse(all.until), now)}: ${all.reason}`] : []), ...bundles].join(', ')
}

function detailsOf(device: FleetDocument['devices'][number]): string[] {
  const results = device.bundles.flatMap((bundle) =>
    bundle.results.map((result) => [bundle.name, result.id, result.outcome, result.reason ?? '']),
  )
  const now = Date.now()
  const pauses = pausesOf(device, now).map((pause) => pauseText(pause, now))
  const reasons = device.bundles.flatMap(({ name, reason, missed, withdrawnAt }) => [
    ...(reason ? [`${name}: ${reason}`] : []),
    ...(missed ? [`${name}: ${missedText(missed.count, missed.closed, missed.reason)}`] : []),
    ...(withdrawnAt === undefined ? [] : [`${name}: withdrawn there ${agoText(withdrawnAt, now)}; what it did stays`]),
  ])
  const lines = results.length > 0 ? ['', ...table(['BUNDLE', 'RESOURCE', 'OUTCOME', 'REASON'], results)] : []
  const remarks = [...pauses, ...reasons]
  return [...lines, ...(remarks.length > 0 ? ['', ...remarks] : [])]
}

function partLines(
  { inventory, trust }: FleetDocument['devices'][number],
  { facts, machine, packages }: DeviceDocument,
  withPackages: boolean,
  now: number,
): string[] {
  const lines = [...factLines(facts ?? {}), ...factLines(machine ?? {})]
  if (trust)
    lines.push(
      `metadata: version ${trust.version} when it reported, signed ${agoText(Date.parse(trust.signedAt), now)}`,
    )
  lines.push(
    inventory && packages
      ? `packages: ${packages.length}, changed ${agoText(Date.parse(inventory.changedAt), now)}`
      : 'packages: unknown until the device tells all of them, within a day of its next report',
  )
  if (!withPackages || !packages) return lines
  return [
    ...lines,
    '',
    ...table(
      ['PACKAGE', 'ARCH', 'VERSION'],
      packages.map(({ name, arch, version }) => [name, arch, version]),
    ),
  ]
}
