/** How one apply of a bundle ended, as the room with hands tells it. */
import type { ResourceResult } from '#facts/report.ts'

export type ApplyOutcome =
  | { readonly type: 'results'; readonly results: readonly ResourceResult[] }
  /** `unprepared`: the prepared folder is gone or damaged, so it is prepared again. */
  | { readonly type: 'failed'; readonly reason: string; readonly unprepared?: boolean }
