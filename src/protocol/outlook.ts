/**
 * Whether a site is ready, what holds it up and for how long by the present rate (protocol.md §5.8): a pure sum over what its members say.
 * What was said some seconds ago is carried forward at the rate that was told with it.
 */
import type { PeerId } from '#trust/peer-id.ts'
import type { ProgressRow, ToldRow } from './progress-row.ts'

export interface SiteMember {
  readonly peer: PeerId
  readonly name: string
  readonly role: ToldRow['role']
  /** Linked with us, or with somebody who told of it just now. */
  readonly present: boolean
  /** Milliseconds since it said so. */
  readonly ageMs: number
  /** Undefined: it is there and has said nothing yet. */
  readonly row: ProgressRow | undefined
}

export type MemberState = 'ready' | 'fetching' | 'preparing' | 'failed' | 'behind' | 'silent'

/** What holds a site up: of several the one that comes first. */
export type Limit =
  /** Somebody has not the newest release yet, or said nothing. */
  | 'release'
  /** Bytes that nobody within reach has. */
  | 'nobody-has-it'
  | 'line'
  | 'lan'
  /** All bytes are here, and are unpacked and checked. */
  | 'preparing'
  | 'failed'

export interface Outlook {
  readonly ready: boolean
  readonly limit: Limit | undefined
  /** What is to come yet over what limits: the line, or the LAN to the member that waits longest. */
  readonly missingBytes: number
  readonly rateBytesPerSecond: number
  /** Undefined where nobody can tell. */
  readonly readyInMs: number | undefined
}

/** From the last byte over the line until the last member has it, unpacked: it is told of the chunk, asks, stores, and prepares. */
const tailMs = 500
/** A member that is this far behind the line at its own rate is held up by the LAN; less is only the age of what it said. */
const laggingMs = 5_000

export function stateOf({ row }: Pick<SiteMember, 'row'>, release: number): MemberState {
  if (!row) return 'silent'
  if (row.release < release) return 'behind'
  if (row.missing > 0 || row.unsized > 0) return 'fetching'
  if (row.prepared + row.failed < row.bundles) return 'preparing'
  return row.failed > 0 ? 'failed' : 'ready'
}

/** The newest release that a member of the site knows. */
export const newestRelease = (members: readonly SiteMember[]): number =>
  Math.max(0, ...members.map(({ row }) => row?.release ?? 0))

/** The outlook of all members that are present. */
export function outlook(members: readonly SiteMember[]): Outlook {
  const present = members.filter((member) => member.present)
  const release = newestRelease(present)
  const states = new Set(present.map((member) => stateOf(member, release)))
  const held = (limit: Limit, more: Partial<Outlook> = {}): Outlook => ({ ...unknown, limit, ...more })
  if (states.has('silent') || states.has('behind')) return held('release')
  if (states.has('fetching')) return transfer(present)
  if (states.has('preparing')) return held('preparing')
  if (states.has('failed')) return held('failed')
  return { ...unknown, ready: true, readyInMs: 0 }
}

const unknown = { ready: false, limit: undefined, missingBytes: 0, rateBytesPerSecond: 0, readyInMs: undefined }

function transfer(present: readonly SiteMember[]): Outlook {
  const line = lineOf(present)
  const lan = slowest(present, line)
  const isUnsized = present.some(({ row }) => (row?.unsized ?? 0) > 0)
  const finish = (limit: Limit, missingBytes: number, rateBytesPerSecond: number): Outlook => {
    const ms = rateBytesPerSecond === 0 ? undefined : (missingBytes * 1000) / rateBytesPerSecond
    const readyInMs = ms === undefined || isUnsized ? undefined : Math.round(ms) + tailMs
    return { ready: false, limit, missingBytes, rateBytesPerSecond, readyInMs }
  }
  if (line && line.missing > 0 && line.unfound >= line.missing && line.rate === 0)
    return finish('nobody-has-it', line.missing, 0)
  if (line && line.missing > 0 && !lan) return finish('line', line.missing, line.rate)
  if (!lan) return finish(line ? 'line' : 'lan', 0, 0)
  // Without anybody who reaches the outside, what stands still will not come.
  return finish(line || lan.rate > 0 ? 'lan' : 'nobody-has-it', lan.missing, lan.rate)
}

/** What the line has yet to bring, and how fast; undefined where nobody acts. Of several who act each sees what all of them bring. */
function lineOf(present: readonly SiteMember[]): { missing: number; unfound: number; rate: number } | undefined {
  const acting = present.flatMap(({ row, ageMs }) => (row?.line ? { ...row.line, ageMs } : []))
  if (acting.length === 0) return undefined
  const rate = Math.max(...acting.map((line) => line.rate))
  const missing = Math.max(...acting.map((line) => forward(line.missing, line.rate, line.ageMs)))
  return { missing, unfound: Math.max(...acting.map((line) => line.unfound)), rate }
}

/** The member that the LAN serves last, where that takes longer than the line does. */
function slowest(
  present: readonly SiteMember[],
  line: { readonly missing: number; readonly rate: number } | undefined,
): { missing: number; rate: number } | undefined {
  let found: { missing: number; rate: number; ms: number } | undefined
  for (const { row, ageMs } of present) {
    if (!row || row.missing === 0) continue
    const missing = forward(row.missing, row.rate, ageMs)
    const behind = missing - (line?.missing ?? 0)
    const isLate = !line || line.missing === 0 || (row.rate > 0 && (behind * 1000) / row.rate > laggingMs)
    const ms = row.rate === 0 ? Number.POSITIVE_INFINITY : missing / row.rate
    if (isLate && (!found || ms > found.ms)) found = { missing, rate: row.rate, ms }
  }
  return found
}

const forward = (missing: number, rate: number, ageMs: number): number =>
  Math.max(0, Math.round(missing - (rate * ageMs) / 1000))
