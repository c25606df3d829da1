/** `doctor`: named checks of one member, each with what was seen and, where it fails, what to do. */
import { statfs } from 'node:fs/promises'
import { day, toTimestamp, type Instant } from '#base/time.ts'
import type { Engine } from '#engines/engine.ts'
import { realTime } from './clock.ts'
import { enginesOf } from './engine-set.ts'
import type { Session } from './session.ts'

export interface Diagnosis {
  readonly name: string
  readonly result: 'pass' | 'warn' | 'fail'
  readonly text: string
  readonly next?: string
}

/** Less free space than this and the next bundle may not fit. */
const freeBytesMin = 256 * 1024 * 1024
/** The next root must be signed, and reach also those that are away for long, before this one ends. */
const rootDaysMin = 60
/** A clock this far off the newest signed date is not to be believed (trust.md §5). */
const clockAheadMsMax = 400 * 86_400_000

/** As many tokens are named; `token list` has them all. */
const tokensTold = 3

export async function diagnose(session: Session): Promise<Diagnosis[]> {
  return [
    clock(session),
    await disk(session),
    membership(session),
    release(session),
    rootCheck(session.member.protocol.self.set.rootExpiresAt, realTime()),
    port(session),
    discovery(session),
    neighbours(session),
    await engine(session),
    await outbox(session),
    ...tokens(session),
  ]
}

function clock({ member }: Session): Diagnosis {
  const { issuedAt } = member.protocol.self.set
  const now = realTime()
  const text = `this machine says ${toTimestamp(now)}`
  const next = 'Set the clock, or start its time service (chrony, systemd-timesyncd).'
  if (issuedAt === undefined)
    return { name: 'clock', result: 'pass', text: `${text}; nothing signed to compare with yet` }
  if (now < issuedAt - 300_000)
    return {
      name: 'clock',
      result: 'fail',
      text: `${text}, before the newest signed date ${toTimestamp(issuedAt)}.`,
      next,
    }
  if (now > issuedAt + clockAheadMsMax)
    return {
      name: 'clock',
      result: 'warn',
      text: `${text}, long after the newest signed date ${toTimestamp(issuedAt)}.`,
      next,
    }
  return { name: 'clock', result: 'pass', text }
}

async function disk({ home, housekeeping }: Session): Promise<Diagnosis> {
  const { bavail, bsize } = await statfs(home.dir)
  const { bytes, quotaBytes, refused } = housekeeping.state()
  const mebibytes = (count: number): number => Math.floor(count / 1_048_576)
  const text = `${mebibytes(bavail * bsize)} MiB free at ${home.dir}; contents take ${mebibytes(bytes)} of ${mebibytes(quotaBytes)} MiB`
  const isOver = bytes > quotaBytes || refused > 0
  if (bavail * bsize >= freeBytesMin && !isOver) return { name: 'disk', result: 'pass', text }
  if (bavail * bsize >= freeBytesMin)
    return {
      name: 'disk',
      result: 'warn',
      text: `${text}, and all of it is assigned (DISK_QUOTA); ${refused} contents are not fetched for neighbours.`,
      next: 'Raise disk.quota in config.yaml, or have fewer bundles concern this site.',
    }
  return { name: 'disk', result: 'fail', text: `${text}.`, next: 'Make room, or move the home to a larger disk.' }
}

function membership({ member }: Session): Diagnosis {
  const { expires, role, site } = member.protocol.self.membership
  const days = Math.floor((expires - realTime()) / 86_400_000)
  const text = `${role} of site ${site}, valid for ${days} days`
  if (days >= 14) return { name: 'membership', result: 'pass', text }
  return {
    name: 'membership',
    result: days < 0 ? 'fail' : 'warn',
    text: `${text}.`,
    next: 'Join again with a new token: grapevine token create at the origin.',
  }
}

function release({ member }: Session): Diagnosis {
  const { set } = member.protocol.self
  if (!set.complete)
    return {
      name: 'release',
      result: 'warn',
      text: 'no release is here yet.',
      next: 'It comes from the first neighbour; see the checks below.',
    }
  const stale = set.expiresAt !== undefined && set.expiresAt < realTime()
  if (!stale) return { name: 'release', result: 'pass', text: `release ${set.release}` }
  return {
    name: 'release',
    result: 'warn',
    text: `release ${set.release} stays in force, but its signature is older than the longest outage.`,
    next: 'See whether the origin runs: grapevine doctor there.',
  }
}

/** Exported for its test: a root lasts two years. */
export function rootCheck(expires: Instant | undefined, now: Instant): Diagnosis {
  if (expires === undefined)
    return { name: 'root', result: 'pass', text: 'none is here yet; it comes with the release' }
  const days = Math.floor((expires - now) / day)
  if (days >= rootDaysMin) return { name: 'root', result: 'pass', text: `good for ${days} days` }
  const text =
    expires > now
      ? `it ends in ${days} days; after that no member takes a new release.`
      : 'it has ended: no member takes a new release any more.'
  const next = 'The origin must sign the next root, or a new fleet be made: docs/trust.md, section 5.'
  return { name: 'root', result: expires > now ? 'warn' : 'fail', text, next }
}

function port(session: Session): Diagnosis {
  const addresses = session.addresses()
  if (addresses.length > 0) return { name: 'port', result: 'pass', text: `listening on ${addresses.join(', ')}` }
  return { name: 'port', result: 'warn', text: 'no daemon runs on this home.', next: 'Start it: grapevine run.' }
}

function discovery(session: Session): Diagnosis {
  const lan = session.lanState()
  if (!session.config.lan.discovery)
    return { name: 'discovery', result: 'pass', text: 'LAN discovery is switched off in config.yaml' }
  if (lan.length === 0)
    return { name: 'discovery', result: 'warn', text: 'not running.', next: 'Start the daemon: grapevine run.' }
  const broken = lan.filter((state) => !state.ok)
  const names = lan.map((state) => state.interface).join(', ')
  if (broken.length < lan.length) return { name: 'discovery', result: 'pass', text: `multicast on ${names}` }
  return {
    name: 'discovery',
    result: 'fail',
    text: `multicast works on none of ${names}: ${broken[0]?.error ?? 'unknown'}.`,
    next: `Allow ${session.config.lan.port}/udp in the firewall, or name a neighbour with --bootstrap.`,
  }
}

function neighbours(session: Session): Diagnosis {
  const list = session.member.protocol.neighbours.list()
  const { role } = session.member.protocol.self.membership
  if (list.length > 0) {
    const names = list.map((neighbour) => neighbour.membership?.name ?? neighbour.peer)
    return { name: 'neighbours', result: 'pass', text: names.slice(0, 8).join(', ') }
  }
  if (session.addresses().length === 0) return { name: 'neighbours', result: 'warn', text: 'no daemon runs.' }
  if (role === 'origin')
    return { name: 'neighbours', result: 'warn', text: 'nobody has joined yet, or nobody reaches us.' }
  return {
    name: 'neighbours',
    result: 'fail',
    text: 'none: nothing is heard on the LAN, and no known address answers.',
    next: 'Check that the origin or relay runs, and that its port is open; or name one with --bootstrap.',
  }
}

async function engine(session: Session): Promise<Diagnosis> {
  if (session.member.protocol.self.membership.role === 'origin')
    return { name: 'engine', result: 'pass', text: 'the origin applies nothing' }
  return engineCheck(enginesOf(session.config))
}

/** Each tool that is here, since a policy may name any of them. */
export async function engineCheck(engines: readonly Engine[]): Promise<Diagnosis> {
  const found = await Promise.all(
    engines.map(async (candidate) => ({ name: candidate.name, version: await candidate.version() })),
  )
  const installed = found.flatMap(({ name, version }) => (version === undefined ? [] : [`${name} ${version}`]))
  if (installed.length > 0) return { name: 'engine', result: 'pass', text: installed.join(', ') }
  return {
    name: 'engine',
    result: 'warn',
    text: 'no configuration-management tool is installed: bundles are prepared, not applied.',
    next: 'Install one: apt-get install cfengine3, ansible-core or puppet-agent.',
  }
}

async function outbox(session: Session): Promise<Diagnosis> {
  const waiting = (await session.outbox.list()).length
  if (waiting < 100) return { name: 'reports', result: 'pass', text: `${waiting} wait for the origin's receipt` }
  return {
    name: 'reports',
    result: 'warn',
    text: `${waiting} wait for the origin's receipt.`,
    next: 'They go out when the origin is reached; see the neighbours.',
  }
}

/** At the origin: tokens that brought more devices than they were made for. It can only be watched (trust.md §6). */
function tokens({ member }: Session): Diagnosis[] {
  const fleet = member.intake?.fleet
  if (!fleet) return []
  const exceeded = fleet.tokenUses().filter(({ used, max }) => used > max)
  if (exceeded.length === 0)
    return [{ name: 'tokens', result: 'pass', text: 'none brought more devices than it was made for' }]
  const told = exceeded.slice(0, tokensTold).map(({ id, max, used }) => {
    const names = fleet.list().flatMap((device) => (device.token?.id === id ? device.name : []))
    return `${id} was made for ${max} and brought ${used}: ${names.slice(0, 8).join(', ')}`
  })
  const more = exceeded.length > tokensTold ? `; and ${exceeded.length - tokensTold} more` : ''
  return [
    {
      name: 'tokens',
      result: 'warn',
      text: `${told.join('; ')}${more}.`,
      next: 'See whether you know them all: grapevine fleet. A device that joined again counts twice; else the token is in wrong hands.',
    },
  ]
}
