/** `init`: a new fleet. Keys first, then the signed release that names them; a home is left whole or not at all. */
import { join } from 'node:path'
import { assert } from '#base/assert.ts'
import { utf8 } from '#base/bytes.ts'
import { sha256 } from '#base/digest.ts'
import { Misconfigured } from '#base/errors.ts'
import { writeAtomic } from '#disk/atomic.ts'
import { Home } from '#disk/home.ts'
import { saveTrust } from '#disk/trust-files.ts'
import { issueMembership } from '#trust/membership.ts'
import { encodePack } from '#trust/pack-codec.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import { firstRelease } from '#trust/repository.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { realTime } from './clock.ts'
import { configText, machineName, parseConfig } from './config.ts'
import { makeDeviceKey, makeRepositoryKeys, writeIdentity } from './identity.ts'

export interface OriginSetup {
  readonly home: string
  readonly fleet: string
  readonly site: string
  readonly name: string | undefined
  readonly listen: readonly string[] | undefined
}

/** The origin's own membership: as long as its root of trust. */
const originMembershipMs = 2 * 365 * 86_400_000

export async function initOrigin({ home: dir, fleet, site, name, listen }: OriginSetup): Promise<{
  home: string
  fleet: string
  peerId: string
  release: number
  meshId: string
}> {
  requireName(fleet, '--fleet')
  requireName(site, '--site')
  const config = configText({ listen })
  parseConfig(config, '--listen')
  let made: { home: string; fleet: string; peerId: string; release: number; meshId: string } | undefined
  const home = await Home.create(dir, async (begun) => {
    made = await fillOrigin(begun, { fleet, site, name, config })
  })
  await home.close()
  assert(made, 'a home that was made was filled')
  return made
}

async function fillOrigin(
  home: Home,
  { fleet, site, name, config }: { fleet: string; site: string; name: string | undefined; config: string },
): Promise<{ home: string; fleet: string; peerId: string; release: number; meshId: string }> {
  const keys = await makeRepositoryKeys(home)
  const device = await makeDeviceKey(home)
  const peer = peerIdOf(device.public)
  const now = realTime()
  const pack = firstRelease({ fleet, keys, origin: peer, now })
  const meshId = sha256(pack.roots[0] ?? new Uint8Array())
  const set = TrustedSet.restore(meshId, pack, now)
  const issuers = set.issuers().map((issuer) => issuer.public)
  const certificate = issueMembership({
    issuer: keys.issuer,
    meshId,
    peer,
    name: machineName(name),
    site,
    role: 'origin',
    labels: {},
    now,
    lifetimeMs: originMembershipMs,
  })
  await writeAtomic(join(home.dir, 'config.yaml'), utf8(config), 0o644)
  await saveTrust(home.trust, encodePack(pack))
  await writeIdentity(home, certificate, { meshId, fleet, issuers, addresses: [] })
  return { home: home.dir, fleet, peerId: peer, release: set.release, meshId }
}

/** A fleet or a site is called by a word that fits a topic, a label and a file name. */
function requireName(name: string, where: string): void {
  if (/^[a-z0-9][a-z0-9._-]{0,62}$/i.test(name)) return
  throw new Misconfigured('NAME_INVALID', {
    message: `"${name}" is no name.`,
    where,
    next: 'Use letters, digits and . _ - , beginning with a letter or digit, at most 63.',
  })
}
