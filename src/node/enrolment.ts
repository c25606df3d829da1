/** `join`: a device makes itself a member by its token alone, offline (trust.md §6). */
import { join } from 'node:path'
import { stringify } from 'yaml'
import { assert } from '#base/assert.ts'
import { utf8 } from '#base/bytes.ts'
import { toTimestamp } from '#base/time.ts'
import { writeAtomic } from '#disk/atomic.ts'
import { Home } from '#disk/home.ts'
import { enrol, verifyMembership } from '#trust/membership.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import { readToken } from '#trust/token.ts'
import { signingKey } from '#trust/keys.ts'
import { realTime } from './clock.ts'
import { configText, machineName, parseConfig } from './config.ts'
import { makeDeviceKey, writeIdentity } from './identity.ts'

export interface Enrolment {
  readonly home: string
  readonly token: string
  readonly listen: readonly string[] | undefined
  readonly bootstrap: readonly string[] | undefined
  readonly name: string | undefined
  /** Further settings for `config.yaml`. */
  readonly settings?: Readonly<Record<string, unknown>>
}

export interface Enrolled {
  readonly home: string
  readonly fleet: string
  readonly peerId: string
  readonly name: string
  readonly site: string
  readonly role: string
  readonly expires: string
}

/** Everything that can be wrong with the token or the settings is found before the home is made. */
export async function joinFleet(enrolment: Enrolment): Promise<Enrolled> {
  const now = realTime()
  const token = readToken(enrolment.token.trim())
  const name = machineName(enrolment.name)
  // Tried with a key that is thrown away: an expired token must not leave a home behind.
  enrol({ token, device: signingKey(new Uint8Array(32)), name, now })
  const { listen, bootstrap, settings } = enrolment
  const config = `${configText({ listen, bootstrap })}${settings ? `\n${stringify(settings)}` : ''}`
  parseConfig(config, '--listen, --bootstrap')
  let made: Enrolled | undefined
  const home = await Home.create(enrolment.home, async (begun) => {
    const device = await makeDeviceKey(begun)
    const peer = peerIdOf(device.public)
    const certificate = enrol({ token, device, name, now })
    const issuers = token.issuers.map((issuer) => ({ public: issuer }))
    const { site, role, expires } = verifyMembership(certificate, { meshId: token.meshId, issuers, peer, now })
    await writeAtomic(join(begun.dir, 'config.yaml'), utf8(config), 0o644)
    await writeIdentity(begun, certificate, token)
    made = { home: begun.dir, fleet: token.fleet, peerId: peer, name, site, role, expires: toTimestamp(expires) }
  })
  await home.close()
  assert(made, 'a home that was made was filled')
  return made
}
