/**
 * In what order contents are fetched (protocol.md §6): what is urgent before all else; manifests first, then policies and their files,
 * then packages; of each kind what is due now, then earlier windows before later ones; small before large. It orders, and never leaves anything out.
 */
import type { WindowState } from '#policy/model.ts'

/** A policy with its files fits in this mostly, and few packages do. 256 KiB keep a line of 2 Mbit/s for a second. */
const policyBytesMax = 262_144
const minuteMs = 60_000
/** More than the classes of size, and than the minutes until the year 2200 times that: each kind is behind all of the one before. */
const minuteWeight = 64
const kindWeight = 1e10
const kinds = 3

/** A number for `want`, the lower the sooner. `window` and `urgent` are those of its bundle; `length` in bytes, undefined for a manifest. */
export function priorityOf(window: WindowState, length: number | undefined, urgent: boolean = false): number {
  const kind = (length === undefined ? 0 : length <= policyBytesMax ? 1 : 2) - (urgent ? kinds : 0)
  // By the minute it opens, not by how long that is: what was asked for yesterday and today must compare.
  const minute = window.open
    ? 0
    : Math.min((window.opens ?? Number.MAX_VALUE) / minuteMs, kindWeight / minuteWeight - 1)
  return kind * kindWeight + Math.floor(minute) * minuteWeight + sizeClass(length ?? 0)
}

/** One class per doubling above 1 KiB. */
const sizeClass = (bytes: number): number => 32 - Math.clz32(Math.min(bytes, 2 ** 31) >>> 10)
