/** Where join tokens are made and listed: at the origin, by the issuer's key. Of a token all but its secret is written down. */
import { networkInterfaces } from 'node:os'
import { randomBytes } from 'node:crypto'
import { Misconfigured } from '#base/errors.ts'
import { own } from '#base/guard.ts'
import { toTimestamp } from '#base/time.ts'
import { isAddress } from '#protocol/link.ts'
import { makeToken } from '#trust/token.ts'
import type { Session } from './session.ts'
import { realTime } from './clock.ts'

export interface TokenDocument {
  readonly token: string
  readonly id: string
  readonly site: string
  readonly role: string
  readonly expires: string
  readonly max: number
  readonly addresses: readonly string[]
}

/** What is known of a token later: by whom it was meant to be used, and by how many it was. */
export interface TokenListDocument {
  readonly tokens: readonly {
    readonly id: string
    /** Null, as what follows, where this home did not make it (an older program, another copy of the keys). */
    readonly site: string | null
    readonly role: string | null
    readonly created: string | null
    readonly expires: string | null
    readonly max: number
    /** Devices that joined with it, of those that the origin met. */
    readonly used: number
  }[]
}

interface TokenNote extends Pick<TokenDocument, 'id' | 'site' | 'role' | 'expires' | 'max'> {
  readonly created: string
}

/** A token holds this many addresses: it must stay one line that can be pasted. */
const addressesMax = 8
const wordPattern = /^[A-Za-z0-9._/-]{1,63}$/

/** Makes a token. Misconfigured `NOT_ORIGIN` elsewhere, `TOKEN_OPTION_INVALID` naming the option. */
export async function createToken(session: Session, args: Readonly<Record<string, unknown>>): Promise<TokenDocument> {
  const { repository } = session.originPart()
  const site = word(own(args, 'site'), '--site')
  const role = own(args, 'role') === 'relay' ? 'relay' : 'client'
  const given = Array.isArray(own(args, 'addresses')) ? (own(args, 'addresses') as unknown[]) : []
  const labels = Object.fromEntries(
    Object.entries((own(args, 'labels') ?? {}) as Record<string, unknown>).map(([name, value]) => [
      word(name, '--label'),
      word(value, '--label'),
    ]),
  )
  const addresses = (given.length > 0 ? given : ownAddresses(session)).slice(0, addressesMax).map((item) => {
    if (typeof item === 'string' && isAddress(item)) return item
    throw optionInvalid('--address', `"${String(item)}" is no multiaddr`, 'Write /ip4/192.0.2.1/tcp/47100.')
  })
  const { set } = session.member.protocol.self
  const lifetimeMs = Number(own(args, 'ttlMs') ?? 604_800_000)
  const max = Number(own(args, 'max') ?? 1)
  const now = realTime()
  const { text, id } = makeToken({
    issuer: repository.issuer,
    meshId: set.meshId,
    fleet: set.fleet ?? '',
    tokenSeed: randomBytes(32),
    site,
    role,
    labels,
    now,
    lifetimeMs,
    max,
    addresses,
    issuers: set.issuers().map((issuer) => issuer.public),
  })
  const expires = toTimestamp((now + lifetimeMs) as typeof now)
  const note: TokenNote = { id, site, role, created: toTimestamp(now), expires, max }
  await session.home.index.putNote(`token/${id}`, note)
  return { token: text, id, site, role, expires, max, addresses }
}

/** Tokens that were made here or that brought a device, the newest first. Misconfigured `NOT_ORIGIN` elsewhere. */
export async function listTokens(session: Session): Promise<TokenListDocument> {
  session.originPart()
  const notes = new Map<string, TokenNote>()
  for await (const note of session.home.index.notes('token/')) notes.set((note as TokenNote).id, note as TokenNote)
  const uses = new Map(session.member.intake?.fleet.tokenUses().map((use) => [use.id, use]))
  const tokens = [...new Set([...notes.keys(), ...uses.keys()])].map((id) => {
    const { site = null, role = null, created = null, expires = null, max = 0 } = notes.get(id) ?? {}
    return { id, site, role, created, expires, max: uses.get(id)?.max ?? max, used: uses.get(id)?.used ?? 0 }
  })
  return { tokens: tokens.sort((a, b) => ((a.created ?? '') < (b.created ?? '') ? 1 : -1)) }
}

/** Where this origin can be reached: the daemon's addresses, or what the configuration listens on. */
function ownAddresses(session: Session): string[] {
  const running = session.addresses()
  const peer = session.member.protocol.self.peer
  const listening = running.length > 0 ? running : session.config.listen.flatMap(expand)
  const remote = listening.filter((address) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(address))
  return (remote.length > 0 ? remote : listening)
    .filter((address) => !address.includes('/tcp/0'))
    .map((address) => (address.includes('/p2p/') ? address : `${address}/p2p/${peer}`))
}

/** An address that listens everywhere stands for those of this machine's interfaces. */
function expand(address: string): string[] {
  if (!address.startsWith('/ip4/0.0.0.0/')) return [address]
  const own4 = Object.values(networkInterfaces())
    .flat()
    .filter((info) => info?.family === 'IPv4' && !info.internal)
  return own4.map((info) => address.replace('0.0.0.0', info?.address ?? ''))
}

function word(value: unknown, option: string): string {
  if (typeof value === 'string' && wordPattern.test(value)) return value
  throw optionInvalid(option, `"${String(value)}" is no name`, 'Use letters, digits and . _ / - , at most 63.')
}

const optionInvalid = (where: string, what: string, next: string): Misconfigured =>
  new Misconfigured('TOKEN_OPTION_INVALID', { message: `The token cannot be made: ${what}.`, where, next })
