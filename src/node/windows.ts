/** `windows`: when the bundles that are meant for this member may be applied next, or those of policy folders that are not published yet. */
import { Negative } from '#base/errors.ts'
import { own } from '#base/guard.ts'
import { toTimestamp, type Instant } from '#base/time.ts'
import { assignmentOf } from '#agent/assignment.ts'
import { openingsAhead, openingsMax } from '#policy/ahead.ts'
import type { Window } from '#policy/model.ts'
import { selects } from '#policy/select.ts'
import { realTime } from './clock.ts'
import { factsHere } from './device-facts.ts'
import type { Session } from './session.ts'

export interface WindowsDocument {
  readonly bundles: readonly {
    readonly name: string
    /** Null in a folder that is not published. */
    readonly version: number | null
    /** It has no windows, and may be applied at any time. */
    readonly anyTime: boolean
    readonly openings: readonly {
      readonly opens: string
      readonly closes: string
      readonly seconds: number
      readonly zone: string
      /** On the clock of that zone. */
      readonly localOpens: string
      readonly localCloses: string
      /** What a change of the clock does to it. */
      readonly note: string | null
    }[]
  }[]
}

export interface WindowedBundle {
  readonly name: string
  readonly version: number | null
  readonly windows: readonly Window[]
}

const countUsual = 5

/** With `name` that bundle alone: Negative `BUNDLE_UNKNOWN` where none of that name is meant for this member. */
export async function windows(session: Session, args: Readonly<Record<string, unknown>>): Promise<WindowsDocument> {
  const { role, site, labels } = session.member.protocol.self.membership
  const facts = session.member.agent?.reporting.facts ?? (await factsHere(session.config))
  const meant = session.member.protocol.self.set
    .bundles()
    .flatMap((bundle) => assignmentOf(bundle) ?? [])
    .filter(({ select }) => selects(select, { role, site, labels, facts }))
  const name = own(args, 'name')
  const chosen = meant.filter((bundle) => name === undefined || bundle.name === name)
  if (name !== undefined && chosen.length === 0)
    throw new Negative('BUNDLE_UNKNOWN', {
      message: `No bundle called ${JSON.stringify(name)} is meant for this member.`,
      next: meant.length === 0 ? 'None is.' : `Those that are: ${meant.map((bundle) => bundle.name).join(', ')}.`,
    })
  return windowsDocument(chosen, realTime(), Number(own(args, 'count') ?? countUsual))
}

export function windowsDocument(
  bundles: readonly WindowedBundle[],
  now: Instant,
  count: number = countUsual,
): WindowsDocument {
  const sorted = bundles.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return {
    bundles: sorted.map((bundle) => ({
      name: bundle.name,
      version: bundle.version,
      anyTime: bundle.windows.length === 0,
      openings: openingsAhead(bundle.windows, now, Math.min(count, openingsMax)).map(
        ({ opens, closes, note, ...clock }) => ({
          opens: toTimestamp(opens),
          closes: toTimestamp(closes),
          seconds: (closes - opens) / 1000,
          ...clock,
          note: note ?? null,
        }),
      ),
    })),
  }
}
