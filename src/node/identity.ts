/**
 * Who a home is: its device key, its membership, and what its fleet is called by. Files: `keys/device`, `trust/membership`,
 * `trust/fleet.json`; at the origin also the fleet's keys.
 */
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { textOf, fromBase64url, toBase64url, utf8 } from '#base/bytes.ts'
import { isDigest, type Digest } from '#base/digest.ts'
import { Misconfigured } from '#base/errors.ts'
import { isFields, own } from '#base/guard.ts'
import { readIfThere, writeAtomic } from '#disk/atomic.ts'
import { createKey, readKey } from '#disk/key-file.ts'
import type { Home } from '#disk/home.ts'
import { keyLength, signingKey, type SigningKey } from '#trust/keys.ts'
import { repositoryKeys, type RepositoryKeys } from '#trust/repository.ts'

/** What a member knows of its fleet before it has any metadata. */
export interface FleetFacts {
  readonly meshId: Digest
  readonly fleet: string
  /** Issuers that the join token named. */
  readonly issuers: readonly Uint8Array[]
  /** Addresses that the join token named. */
  readonly addresses: readonly string[]
}

export interface Identity {
  readonly device: SigningKey
  /** The membership certificate. */
  readonly certificate: Uint8Array
  readonly facts: FleetFacts
}

/** One key file each: a ceremony may take one away without the others. */
const repositoryRoles = ['root', 'targets', 'bundles', 'mesh', 'snapshot', 'timestamp', 'issuer', 'box'] as const

export async function makeDeviceKey(home: Home): Promise<SigningKey> {
  const seed = randomBytes(keyLength)
  await createKey(join(home.keys, 'device'), seed)
  return signingKey(seed)
}

/** Draws all keys of a new fleet and keeps them. */
export async function makeRepositoryKeys(home: Home): Promise<RepositoryKeys> {
  const seeds = new Map(repositoryRoles.map((role) => [role as string, new Uint8Array(randomBytes(keyLength))]))
  for (const [role, seed] of seeds) await createKey(join(home.keys, role), seed)
  return repositoryKeys((role) => seeds.get(role) ?? new Uint8Array())
}

/** The fleet's keys; undefined where this home is no origin. Misconfigured `KEY_MISSING`, `KEY_PERMISSIONS`, `KEY_DAMAGED`. */
export async function readRepositoryKeys(home: Home): Promise<RepositoryKeys> {
  const seeds = new Map<string, Uint8Array>()
  for (const role of repositoryRoles) seeds.set(role, await readKey(join(home.keys, role), keyLength))
  return repositoryKeys((role) => seeds.get(role) ?? new Uint8Array())
}

export async function writeIdentity(home: Home, certificate: Uint8Array, facts: FleetFacts): Promise<void> {
  // Named one by one: what is passed may be a whole join token, and its secret seed must not stay on the device.
  const { meshId, fleet, addresses } = facts
  const document = { meshId, fleet, issuers: facts.issuers.map(toBase64url), addresses }
  await writeAtomic(join(home.trust, 'fleet.json'), utf8(`${JSON.stringify(document, undefined, 2)}\n`), 0o600)
  await writeAtomic(join(home.trust, 'membership'), certificate, 0o600)
}

/** Misconfigured `HOME_DAMAGED` where a part is missing or not understood; nothing is changed. */
export async function readIdentity(home: Home): Promise<Identity> {
  const device = signingKey(await readKey(join(home.keys, 'device'), keyLength))
  const certificate = await readIfThere(join(home.trust, 'membership'))
  const text = textOf((await readIfThere(join(home.trust, 'fleet.json'))) ?? new Uint8Array())
  const facts = text === undefined ? undefined : fleetFactsOf(text)
  if (certificate && facts) return { device, certificate, facts }
  throw identityDamaged(home, `${certificate ? 'fleet.json' : 'membership'} is missing or damaged.`)
}

export function identityDamaged(home: Home, what: string): Misconfigured {
  return new Misconfigured('HOME_DAMAGED', {
    message: `This home does not say who it is: ${what}`,
    where: home.trust,
    next: 'Restore it from a backup, or move the home away and join again with a new token.',
  })
}

function fleetFactsOf(text: string): FleetFacts | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isFields(fields)) return undefined
  const meshId = own(fields, 'meshId')
  const fleet = own(fields, 'fleet')
  const issuers = texts(own(fields, 'issuers')).map(fromBase64url)
  if (!isDigest(meshId) || typeof fleet !== 'string' || issuers.includes(undefined)) return undefined
  return {
    meshId,
    fleet,
    issuers: issuers.filter((issuer) => issuer !== undefined),
    addresses: texts(own(fields, 'addresses')),
  }
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []
