/** A whole fleet in one line, for tests of trust: keys from fixed seeds, a first release, tokens and memberships. */
import { utf8, textOf, toHex } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { sha256, type Digest } from '#base/digest.ts'
import { instant, type Instant } from '#base/time.ts'
import { keyId, sign, signingKey, tufKey, type SigningKey } from '#trust/keys.ts'
import type { BundleTarget, MetadataPack } from '#trust/metadata-pack.ts'
import { peerIdOf } from '#trust/peer-id.ts'
import { firstRelease, nextRelease, repositoryKeys, type RepositoryKeys } from '#trust/repository.ts'
import { makeToken, readToken, type JoinToken, type TokenOrder } from '#trust/token.ts'
import { TrustedSet } from '#trust/trusted-set.ts'

export const now = instant(Date.UTC(2026, 2, 1))
export const seedOf = (label: string): Uint8Array => Uint8Array.from(Buffer.from(sha256(utf8(label)), 'hex'))
export const keyOf = (label: string): SigningKey => signingKey(seedOf(label))

export interface TestFleet {
  readonly keys: RepositoryKeys
  readonly first: MetadataPack
  readonly meshId: Digest
  readonly set: TrustedSet
  /** The release after `previous` (the first by default), with these bundles. */
  next(bundles?: readonly BundleTarget[], previous?: MetadataPack, at?: Instant): MetadataPack
  token(order?: Partial<TokenOrder>): JoinToken
}

export function fleet(name = 'acme'): TestFleet {
  const keys = repositoryKeys((role) => seedOf(`${name} ${role}`))
  const first = firstRelease({ fleet: name, keys, origin: peerIdOf(keyOf(`${name} origin`).public), now })
  const meshId = sha256(first.roots[0] ?? new Uint8Array())
  return {
    keys,
    first,
    meshId,
    set: TrustedSet.restore(meshId, first, now),
    next: (bundles = [bundle('web', 1)], previous = first, at = now) =>
      nextRelease({ previous, keys, now: at, bundles }),
    token: (order = {}) =>
      readToken(
        makeToken({
          issuer: keys.issuer,
          meshId,
          fleet: name,
          tokenSeed: seedOf('token'),
          site: 'berlin',
          role: 'client',
          labels: {},
          now,
          addresses: [],
          issuers: [keys.issuer.public],
          ...order,
        }).text,
      ),
  }
}

export const bundle = (name: string, version: number): BundleTarget => ({
  name,
  version,
  manifest: { digest: sha256(utf8(`${name} ${version}`)), length: 10 },
  custom: { bytes: 10 },
})

/** Signed metadata as an object, to be changed by a test. */
export type Loose = Record<string, never>
export const signedOf = (bytes: Uint8Array): Loose => (JSON.parse(textOf(bytes) ?? '') as { signed: Loose }).signed

/** The file with other content, signed by these keys as it should be: what an attacker with a key could make. */
export function forged(signed: unknown, ...signers: readonly SigningKey[]): Uint8Array {
  const bytes = utf8(canonicalJson(signed))
  const signatures = signers
    .map((key) => ({ keyid: keyId(tufKey(key.public)), sig: toHex(sign(key, bytes)) }))
    .toSorted((a, b) => (a.keyid < b.keyid ? -1 : 1))
  return utf8(canonicalJson({ signatures, signed }))
}
