/** A pause in one line for people. */
import type { PauseDocument } from '#node/pause.ts'
import { agoText } from './print.ts'

/** `web is paused until 2026-03-07 06:00 UTC (in 4 h): stocktaking`. */
export function pauseText({ bundle, until, reason }: PauseDocument, now: number): string {
  const ends = `${until.slice(0, 16).replace('T', ' ')} UTC (${agoText(Date.parse(until), now)})`
  return `${bundle ?? 'this machine'} is paused until ${ends}: ${reason}`
}
