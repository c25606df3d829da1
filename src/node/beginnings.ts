/** What a member begins with, read from its home: the metadata that it trusts, its own membership, whom it knows, and at the origin the fleet. */
import { join } from 'node:path'
import { Refused } from '#base/errors.ts'
import type { Home } from '#disk/home.ts'
import { loadTrust } from '#disk/trust-files.ts'
import { Fleet, type Device } from '#origin/fleet.ts'
import { ReportIntake } from '#origin/intake.ts'
import type { KnownAddress } from '#protocol/effect.ts'
import type { Address } from '#protocol/link.ts'
import { packBytesMax } from '#protocol/params.ts'
import type { SigningKey } from '#trust/keys.ts'
import { verifyMembership, type Membership } from '#trust/membership.ts'
import { decodePack } from '#trust/pack-codec.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import type { RepositoryKeys } from '#trust/repository.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { realTime } from './clock.ts'
import type { Config } from './config.ts'
import { identityDamaged, type Identity } from './identity.ts'

/** The signed metadata on disk, verified again; a newcomer's where there is none. */
export async function trustOf(home: Home, { facts }: Identity): Promise<TrustedSet> {
  const bytes = await loadTrust(home.trust)
  return bytes
    ? TrustedSet.restore(facts.meshId, decodePack(bytes, packBytesMax), realTime())
    : TrustedSet.pinned(facts.meshId)
}

/** What can become of a membership by time alone. */
const timely = new Set([
  'MEMBERSHIP_EXPIRED',
  'MEMBERSHIP_NOT_YET_VALID',
  'MEMBERSHIP_ISSUER_UNKNOWN',
  'MEMBERSHIP_REVOKED',
])

/** Our own certificate, judged as others will judge it. */
export function membershipOf(home: Home, { certificate, device, facts }: Identity, set: TrustedSet): Membership {
  const issuers = [...set.issuers(), ...facts.issuers.map((issuer) => ({ public: issuer }))]
  const peer = peerIdOf(device.public)
  try {
    return verifyMembership(certificate, { meshId: facts.meshId, issuers, peer, now: realTime() })
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    // No sender has to act: we took it as valid when we joined, so either its time is over or the file changed since.
    if (!timely.has(error.code)) throw identityDamaged(home, error.message)
    throw new Refused(error.code, {
      message: error.message,
      where: join(home.trust, 'membership'),
      next: 'See that the clock is right; then move this home away and join again with a new token.',
    })
  }
}

/** Where others can be found: by the token, by what was heard before, by the configuration. */
export async function knownAddresses(home: Home, { facts }: Identity, config: Config): Promise<KnownAddress[]> {
  const saved = ((await home.index.getNote('addresses')) ?? []) as KnownAddress[]
  const token = facts.addresses.map((address) => ({ address: address as Address, inside: false }))
  // Given by an admin for this site: dialled at once, whoever acts as uplink member.
  const bootstrap = config.bootstrap.map((address) => ({ address }))
  return [...token, ...saved, ...bootstrap]
}

/** What an origin knows of its devices. */
export async function intakeOf(
  home: Home,
  device: SigningKey,
  repository: RepositoryKeys,
  set: TrustedSet,
): Promise<ReportIntake> {
  const entries: Device[] = []
  for await (const entry of home.index.notes('device/')) entries.push(entry as Device)
  return new ReportIntake({ set, device, boxes: [repository.box], fleet: Fleet.restore(entries) })
}
