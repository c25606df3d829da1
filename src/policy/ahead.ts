/** The next openings of a list of windows, as people plan by them: with the clocks of zones, and what a change of the clock does to each. */
import type { Instant } from '#base/time.ts'
import type { Window } from './model.ts'
import { clockNote, latestOpening, localTimeAt } from './opening.ts'
import { windowState } from './window.ts'

export interface Opening {
  readonly opens: Instant
  readonly closes: Instant
  /** The zone of the window that opens it, and its clock there. */
  readonly zone: string
  readonly localOpens: string
  readonly localCloses: string
  /** What a change of the clock does to it; absent where it does nothing. */
  readonly note?: string
}

export const openingsMax = 1000

/** The one that is open now, if one is, and those after it; at most `count`. Empty where no window opens again. */
export function openingsAhead(windows: readonly Window[], now: Instant, count: number): Opening[] {
  const found: Opening[] = []
  let time = now
  while (found.length < Math.min(count, openingsMax)) {
    const { opens, closes } = windowState(windows, time)
    if (opens === undefined || closes === undefined) return found
    // A window without end is told in pieces: the one that goes on is not a new one.
    if (found.at(-1)?.opens !== opens) found.push(openingOf(windows, opens, closes))
    if (closes <= time) return found
    time = closes
  }
  return found
}

function openingOf(windows: readonly Window[], opens: Instant, closes: Instant): Opening {
  const opening = windows.find((window) => latestOpening(window, opens) === opens)
  const zone = opening?.zone ?? 'UTC'
  const note = opening && clockNote(opening, opens, closes)
  const local = (time: Instant): string => localTimeAt(zone, new Date(time).toISOString())
  return {
    opens,
    closes,
    zone,
    localOpens: local(opens),
    localCloses: local(closes),
    ...(note === undefined ? {} : { note }),
  }
}
