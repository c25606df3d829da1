/** `site`: whether the site of this member is ready for its next window, what is missing, since when, and until when by the present rate. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Misconfigured } from '#base/errors.ts'
import { after, toTimestamp, type Instant } from '#base/time.ts'
import { assignmentOf, mayConcernSite, type Assignment } from '#agent/assignment.ts'
import type { Member } from '#member/member.ts'
import { selects, type Device } from '#policy/select.ts'
import { windowState } from '#policy/window.ts'
import { newestRelease, outlook, stateOf, type Limit, type MemberState } from '#protocol/outlook.ts'
import type { Session } from './session.ts'

export interface SiteDocument {
  readonly site: string
  readonly release: number
  readonly members: readonly {
    readonly name: string
    readonly peerId: string
    readonly role: string
    readonly release: number | null
    /** `absent`: it had a link with us within the last hour. */
    readonly state: MemberState | 'absent'
    readonly missingBytes: number
    /** Since it last said so; 0 for this member. */
    readonly heardSeconds: number
  }[]
  /** Members whose address is known, and of whom nobody asked knows anything: most likely switched off. */
  readonly unheard: number
  /** The window that is open now, or the next one that opens; null where no bundle of this site has one. */
  readonly window: { readonly opens: string; readonly closes: string | null; readonly bundle: string } | null
  readonly ready: boolean
  /** What has yet to come over what limits: the line, or the LAN to the member that waits longest. */
  readonly missingBytes: number
  readonly rateBytesPerSecond: number
  readonly readyAt: string | null
  readonly limit: Limit | 'waiting-for-window' | null
  /** Since when it is so, ready or not, as far as this daemon saw it. */
  readonly since: string
}

/** How long neighbours have to answer what they know of others. */
const surveyMs = 500

export async function site(session: Session): Promise<SiteDocument> {
  if (session.addresses().length === 0)
    throw new Misconfigured('DAEMON_MISSING', {
      message: 'No daemon runs on this home, and only a running one hears of its site.',
      where: session.home.dir,
      next: 'Start it with `grapevine run`.',
    })
  if (siteDocument(session.member, session.clock.now()).unheard > 0) {
    session.feed({ type: 'survey' })
    await sleep(surveyMs)
  }
  return siteDocument(session.member, session.clock.now())
}

export function siteDocument(member: Member, now: Instant): SiteDocument {
  const { protocol } = member
  const members = protocol.progress.members(now)
  const release = newestRelease(members.filter(({ present }) => present))
  const { ready, limit, missingBytes, rateBytesPerSecond, readyInMs } = outlook(members)
  const { wall } = protocol.self
  const next = nextWindow(member, wall.at(now))
  const isEarly = ready && next?.isAhead === true
  const known = new Set<string>(members.map(({ peer }) => peer))
  const silent = protocol.knownAddresses().flatMap(({ peer, inside }) => (inside === true && peer ? peer : []))
  return {
    site: protocol.self.membership.site,
    release,
    members: members.map((one) => ({
      name: one.name,
      peerId: one.peer,
      role: one.role,
      release: one.row?.release ?? null,
      state: one.present ? stateOf(one, release) : 'absent',
      missingBytes: one.row?.missing ?? 0,
      heardSeconds: Math.round(one.ageMs / 1000),
    })),
    unheard: new Set(silent.filter((peer) => !known.has(peer))).size,
    window: next?.window ?? null,
    ready: ready && !isEarly,
    missingBytes,
    rateBytesPerSecond,
    readyAt: readyInMs === undefined || isEarly ? null : toTimestamp(after(wall.at(now), readyInMs)),
    limit: isEarly ? 'waiting-for-window' : (limit ?? null),
    since: toTimestamp(wall.at(protocol.progress.since ?? now)),
  }
}

interface NextWindow {
  readonly window: NonNullable<SiteDocument['window']>
  /** It is not to be fetched yet. */
  readonly isAhead: boolean
}

/** The first window of all bundles that concern members we know, by their role, site and labels; their facts are known to themselves alone. */
function nextWindow({ protocol }: Member, now: Instant): NextWindow | undefined {
  const { self, neighbours } = protocol
  const { site } = self.membership
  const devices = [self.membership, ...neighbours.list('inside').flatMap(({ membership }) => membership ?? [])]
  const assignments = self.set.bundles().flatMap((bundle) => assignmentOf(bundle) ?? [])
  let found: { opens: Instant; closes: Instant | undefined; bundle: Assignment; isOpen: boolean } | undefined
  for (const bundle of assignments) {
    if (!mayConcernSite(bundle.select, site) || !devices.some((device) => mayConcern(bundle, device))) continue
    const { open, opens, closes } = windowState(bundle.windows, now)
    if (opens !== undefined && (!found || opens < found.opens)) found = { opens, closes, bundle, isOpen: open }
  }
  if (!found) return undefined
  const { opens, closes, bundle, isOpen } = found
  const { name, aheadMs } = bundle
  return {
    window: { opens: toTimestamp(opens), closes: closes === undefined ? null : toTimestamp(closes), bundle: name },
    isAhead: !isOpen && aheadMs !== undefined && opens - aheadMs > now,
  }
}

function mayConcern({ select }: Assignment, { role, site, labels }: Omit<Device, 'facts'>): boolean {
  const { facts: _, ...known } = select ?? {}
  return selects(select && known, { role, site, labels, facts: {} })
}
