/**
 * One entry of `monitor:` from its written form to the model, and what the schema cannot see: that it has one check, and that times and
 * sizes can be. Reports each fault and goes on.
 */
import { parseDuration } from '#base/time.ts'
import { unreachable } from '#base/assert.ts'
import { diskFreePattern, hostPortPattern } from './limits.ts'
import { devicePathFault } from './resource.ts'
import { isTemplate } from './template.ts'
import { templateFaults } from './template-check.ts'
import type { Report } from './resource.ts'
import type { MonitorText } from './schema.ts'
import type { DiskFree, Monitor, MonitorCheck } from './model.ts'

const everyMsMin = 10_000
const dayMs = 86_400_000
const everyMsMax = 31 * dayMs
const timeoutMsMin = 1000
/** A check that hangs must not last for ever. */
const timeoutMsMax = 600_000
const timeoutMsDefault = 30_000
/** One bad answer is noise; of two passes the second says that it lasts. */
const failsDefault = 3
const passesDefault = 2

const checkKeys = ['command', 'disk', 'load', 'service', 'port', 'file'] as const
const unitBytes = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }
const loopback = '127.0.0.1'

/** An entry that the schema refused stands as undefined: it keeps its index, and its faults are told already. */
export function monitorsOf(
  texts: readonly (MonitorText | undefined)[],
  parameters: Readonly<Record<string, unknown>>,
  reportAt: (index: number) => Report,
): Monitor[] {
  const monitors = new Map<string, Monitor>()
  for (const [index, text] of texts.entries()) {
    const monitor = text && monitorOf(text, reportAt(index))
    if (!monitor) continue
    filledCheck(monitor.check, (filled, path) => {
      for (const { message, next } of templateFaults(filled, parameters))
        reportAt(index)(path, 'POLICY_TEMPLATE_INVALID', message, next)
      return filled
    })
    if (monitors.has(monitor.name)) {
      const message = `There is a monitor called "${monitor.name}" already.`
      reportAt(index)(['name'], 'POLICY_RESOURCE_CONFLICT', message, 'Give each a name of its own.')
    }
    monitors.set(monitor.name, monitor)
  }
  return [...monitors.values()]
}

/** A check with those of its texts replaced in which a device fills tags in; each is told with its place in the monitor. */
export function filledCheck(
  check: MonitorCheck,
  fill: (text: string, path: readonly string[]) => string,
): MonitorCheck {
  const filled = (text: string, path: readonly string[]): string => (isTemplate(text) ? fill(text, path) : text)
  switch (check.type) {
    case 'command':
      return { ...check, run: filled(check.run, ['command']) }
    case 'service':
      return { ...check, name: filled(check.name, ['service']) }
    case 'disk':
    case 'file':
      return { ...check, path: filled(check.path, [check.type, 'path']) }
    case 'load':
    case 'port':
      return check
    default:
      return unreachable(check)
  }
}

/** The monitor, or undefined where it told of a fault that leaves none. */
function monitorOf(text: MonitorText, report: Report): Monitor | undefined {
  const [key, second] = checkKeys.filter((candidate) => text[candidate] !== undefined)
  if (key === undefined) {
    const next = 'Add command: "COMMAND", or one of disk, load, service, port, file.'
    report([], 'POLICY_VALUE_INVALID', 'This monitor checks nothing.', next)
    return undefined
  }
  if (second !== undefined)
    report(
      [second],
      'POLICY_VALUE_INVALID',
      `One monitor makes one check; this has ${key} and ${second}.`,
      `Make ${second} a monitor of its own.`,
    )
  const everyMs = timeOf(text.every, ['every'], { least: everyMsMin, most: everyMsMax }, report)
  const timeoutMs =
    text.timeout === undefined
      ? Math.min(timeoutMsDefault, everyMs)
      : timeOf(text.timeout, ['timeout'], { least: timeoutMsMin, most: Math.min(timeoutMsMax, everyMs) }, report)
  return {
    name: text.name,
    everyMs,
    timeoutMs,
    fails: text.fails ?? failsDefault,
    passes: text.passes ?? passesDefault,
    ...(text.react === undefined ? {} : { react: text.react }),
    check: checkOf(key, text, report),
  }
}

function checkOf(key: (typeof checkKeys)[number], text: MonitorText, report: Report): MonitorCheck {
  switch (key) {
    case 'command':
      return { type: key, run: text.command ?? '' }
    case 'disk': {
      const { path = '/', free = '' } = text.disk ?? {}
      checkPath(path, ['disk', 'path'], report)
      return { type: key, path, free: freeOf(free, report) }
    }
    case 'load':
      return { type: key, max: text.load?.max ?? 0 }
    case 'service':
      return { type: key, name: text.service ?? '' }
    case 'port':
      return { type: key, ...endOf(text.port ?? 0, report) }
    case 'file': {
      const { path = '/', youngerThan = '' } = text.file ?? {}
      checkPath(path, ['file', 'path'], report)
      const bounds = { least: 1000, most: 366 * dayMs }
      return { type: key, path, youngerThanMs: timeOf(youngerThan, ['file', 'youngerThan'], bounds, report) }
    }
    default:
      return unreachable(key)
  }
}

function freeOf(text: string, report: Report): DiskFree {
  const [, number, unit] = diskFreePattern.exec(text) ?? []
  if (unit !== '%') return { type: 'bytes', least: Number(number) * unitBytes[unit as keyof typeof unitBytes] }
  if (Number(number) > 100)
    report(['disk', 'free'], 'POLICY_VALUE_INVALID', `More than 100 % cannot be free.`, 'Write it as "10 %".')
  return { type: 'percent', least: Number(number) }
}

/** A number alone is a port of this machine. */
function endOf(text: number | string, report: Report): { host: string; port: number } {
  if (typeof text === 'number') return { host: loopback, port: text }
  const [, address, name, number] = hostPortPattern.exec(text) ?? []
  const port = Number(number)
  if (port < 1 || port > 65_535)
    report(['port'], 'POLICY_VALUE_INVALID', `There is no port ${port}.`, 'Write a number from 1 to 65535.')
  return { host: address ?? name ?? loopback, port }
}

function checkPath(path: string, at: readonly string[], report: Report): void {
  // The beginning may be filled in on the device only, as that of a resource.
  const fault = path === '/' || path.startsWith('{{') ? undefined : devicePathFault(path)
  if (fault !== undefined)
    report(at, 'POLICY_PATH_NOT_ABSOLUTE', fault, 'Write a path such as /var, from the root and without "..".')
}

function timeOf(
  text: string,
  at: readonly string[],
  { least, most }: { readonly least: number; readonly most: number },
  report: Report,
): number {
  const length = parseDuration(text)
  if (length === undefined)
    report(at, 'POLICY_VALUE_INVALID', `"${text}" is no duration.`, 'Write it as 90s, 30m, 3h, 7d or PT3H.')
  else if (length < least || length > most)
    report(
      at,
      'POLICY_VALUE_INVALID',
      `${at.join('.')} must be from ${spanText(least)} to ${spanText(most)}, not ${text}.`,
    )
  return length ?? least
}

const spanText = (ms: number): string => (ms >= dayMs ? `${ms / dayMs} days` : `${ms / 1000} seconds`)
