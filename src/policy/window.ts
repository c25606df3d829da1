/**
 * Whether a policy may be applied now, and when next: the union of its windows. Openings that touch or overlap are one.
 * Durations are exact time: two hours stay two hours across a change of the clock. A window list read by `readWindows` or
 * `parsePolicy` never makes this throw, and the work of one call is bounded.
 */
import { GuardFailed, fieldsAt, listAt, onlyKeys, own, textAt, wholeAt } from '#base/guard.ts'
import { Refused } from '#base/errors.ts'
import { earliest, instant } from '#base/time.ts'
import type { Instant } from '#base/time.ts'
import { latestOpening, nextOpening, openingFaults } from './opening.ts'
import { exceptMax, windowMsMax, windowMsMin, windowsMax } from './limits.ts'
import type { Window, WindowState } from './model.ts'

/** Openings that are joined into one, in each direction. A union that is longer (a window without end) closes later than told. */
const joinsMax = 32

/** What was answered last for a list of windows, and until when that stays true: a member asks at each of its events. */
const answers = new WeakMap<readonly Window[], Answer>()

/**
 * Open: `opens` and `closes` of the union that is open now. Closed: those of the next one, or neither where no window
 * opens again. Where more than 32 openings touch, `closes` is the earliest time at which it must be asked again.
 */
export function windowState(windows: readonly Window[], now: Instant): WindowState {
  if (windows.length === 0) return { open: true }
  const known = answers.get(windows)
  if (known && known.from <= now && now < known.until) return known.state
  const answer = stateAt(windows, now)
  answers.set(windows, answer)
  return answer.state
}

/** The windows in the signed custom data of a bundle. Refused WINDOWS_INVALID names the field; a member then keeps the bundle shut. */
export function readWindows(value: unknown): readonly Window[] {
  try {
    return listAt(value, 'windows', windowsMax).map((item, index) => windowOf(item, `windows[${index}]`))
  } catch (error) {
    if (!(error instanceof GuardFailed)) throw error
    throw new Refused('WINDOWS_INVALID', {
      message: `The windows of a bundle are not valid: ${error.message}.`,
      where: error.path,
    })
  }
}

interface Answer {
  readonly state: WindowState
  readonly from: Instant
  readonly until: Instant
}

function stateAt(windows: readonly Window[], now: Instant): Answer {
  const closes = lastClose(windows, now)
  const opens = firstOf(windows, (window) => nextOpening(window, now))
  if (closes !== undefined && closes > now) {
    const latest = lastOf(windows, (window) => latestOpening(window, now)) ?? now
    const start = joinedStart(windows, latest)
    const end = joinedEnd(windows, closes)
    // Where the union was cut short, the answer depends on the latest opening, so it changes with the next one.
    const until = start.whole && end.whole ? end.time : (earliest(end.time, opens) ?? end.time)
    return { state: { open: true, opens: start.time, closes: end.time }, from: latest, until }
  }
  const from = closes ?? now
  if (opens === undefined) return { state: { open: false }, from, until: instant(Number.MAX_SAFE_INTEGER) }
  const end = joinedEnd(windows, lastClose(windows, opens) ?? opens)
  return { state: { open: false, opens, closes: end.time }, from, until: opens }
}

/** The latest end among the openings at or before `time`; it may lie in the past. */
function lastClose(windows: readonly Window[], time: Instant): Instant | undefined {
  return lastOf(windows, (window) => {
    const opened = latestOpening(window, time)
    return opened === undefined ? undefined : instant(opened + window.durationMs)
  })
}

function joinedEnd(windows: readonly Window[], end: Instant): { time: Instant; whole: boolean } {
  let time = end
  for (let join = 0; join < joinsMax; join++) {
    const later = lastClose(windows, time)
    if (later === undefined || later <= time) return { time, whole: true }
    time = later
  }
  return { time, whole: false }
}

/** The beginning of the union in which `opening` lies: backwards over each opening that reaches what is known so far. */
function joinedStart(windows: readonly Window[], opening: Instant): { time: Instant; whole: boolean } {
  let time = opening
  for (let join = 0; join < joinsMax; join++) {
    const earlier = firstOf(windows, (window) => {
      const opened = latestOpening(window, instant(time - 1))
      return opened === undefined || opened + window.durationMs < time ? undefined : opened
    })
    if (earlier === undefined) return { time, whole: true }
    time = earlier
  }
  return { time, whole: false }
}

function firstOf<T>(items: readonly T[], timeOf: (item: T) => Instant | undefined): Instant | undefined {
  return earliest(...items.map(timeOf))
}

function lastOf<T>(items: readonly T[], timeOf: (item: T) => Instant | undefined): Instant | undefined {
  let latest: Instant | undefined
  for (const item of items) {
    const time = timeOf(item)
    if (time !== undefined && (latest === undefined || time > latest)) latest = time
  }
  return latest
}

function windowOf(value: unknown, path: string): Window {
  const fields = fieldsAt(value, path)
  onlyKeys(fields, path, ['rule', 'start', 'durationMs', 'zone', 'except'])
  const rule = own(fields, 'rule')
  const except = own(fields, 'except')
  const window: Window = {
    ...(rule === undefined ? {} : { rule: textAt(rule, `${path}.rule`, 512) }),
    start: textAt(own(fields, 'start'), `${path}.start`, 32),
    durationMs: wholeAt(own(fields, 'durationMs'), `${path}.durationMs`, windowMsMin, windowMsMax),
    zone: textAt(own(fields, 'zone'), `${path}.zone`, 64),
    ...(except === undefined
      ? {}
      : { except: listAt(except, `${path}.except`, exceptMax).map((time) => textAt(time, `${path}.except`, 32)) }),
  }
  const [fault] = openingFaults(window)
  if (fault) throw new GuardFailed(`${path}.${fault.field}`, `a window that opens (${fault.message})`)
  return window
}
