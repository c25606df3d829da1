/** Another TUF library as the judge: what we sign must be a plain TUF 1.0 repository. */
import { createPrivateKey, sign as nodeSign } from 'node:crypto'
import { createRequire } from 'node:module'
import * as fc from 'fast-check'
import { Metadata, MetadataKind } from '@tufjs/models'
import nacl from 'tweetnacl'
import { describe, expect, it } from 'vitest'
import { concatBytes, fromHex, textOf, toHex, utf8 } from '#base/bytes.ts'
import { canonicalJson } from '#base/canonical-json.ts'
import { after, day } from '#base/time.ts'
import { sign, signingKey, verify } from '#trust/keys.ts'
import { heartbeat } from '#trust/repository.ts'
import type { MetadataPack } from '#trust/metadata-pack.ts'
import { bundle, fleet, forged, keyOf, now, signedOf } from '../support/fleet.ts'

const acme = fleet()
const { first } = acme
const json = (bytes: Uint8Array | undefined): never => JSON.parse(textOf(bytes ?? new Uint8Array()) ?? '') as never

function judged(pack: MetadataPack): string[] {
  const root = Metadata.fromJSON(MetadataKind.Root, json(pack.roots[0]))
  root.verifyDelegate('root', root)
  root.verifyDelegate('timestamp', Metadata.fromJSON(MetadataKind.Timestamp, json(pack.timestamp)))
  root.verifyDelegate('snapshot', Metadata.fromJSON(MetadataKind.Snapshot, json(pack.snapshot)))
  const targets = Metadata.fromJSON(MetadataKind.Targets, json(pack.roles.get('targets')))
  root.verifyDelegate('targets', targets)
  for (const name of ['bundles', 'mesh'])
    targets.verifyDelegate(name, Metadata.fromJSON(MetadataKind.Targets, json(pack.roles.get(name))))
  return Object.keys(targets.signed.delegations?.roles ?? {})
}

describe('@tufjs/models', () => {
  it('verifies a first release and the one after it', () => {
    expect(judged(first)).toEqual(['bundles', 'mesh'])
    expect(judged(acme.next([bundle('web', 1), bundle('db', 4)]))).toEqual(['bundles', 'mesh'])
  })

  it('verifies heartbeats, and releases whose roles were signed anew', () => {
    let pack = first
    for (const days of [1, 20, 200, 400]) {
      pack = heartbeat({ previous: pack, keys: acme.keys, now: after(now, days * day) })
      expect(judged(pack)).toEqual(['bundles', 'mesh'])
    }
  })

  it('refuses what we refuse: a file that another key signed, and one bit that was changed', () => {
    const { timestamp } = first
    const stranger = forged(signedOf(timestamp as Uint8Array), keyOf('stranger'))
    const bent = utf8((textOf(timestamp as Uint8Array) ?? '').replace('"version":1}', '"version":2}'))
    for (const bytes of [stranger, bent])
      expect(() => judged({ ...first, timestamp: bytes })).toThrow(/was signed by|signature/i)
  })
})

/** It comes with @tufjs/models, and its types lie elsewhere than it does. */
const { canonicalize } = createRequire(createRequire(import.meta.url).resolve('@tufjs/models'))(
  '@tufjs/canonical-json',
) as { canonicalize: (value: unknown) => string }

describe('@tufjs/canonical-json', () => {
  it('spells every tree of printable ASCII and whole numbers as we do (96)', () => {
    const ascii = fc.string({
      unit: fc.constantFrom(...Array.from({ length: 95 }, (_, n) => String.fromCodePoint(32 + n))),
    })
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        ascii,
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.constant(null),
        tie('list'),
        tie('map'),
      ),
      list: fc.array(tie('tree'), { maxLength: 5 }),
      map: fc.dictionary(ascii, tie('tree'), { maxKeys: 5 }),
    }))
    fc.assert(
      fc.property(tree, (value) => {
        fc.pre(!Object.is(value, -0))
        expect(canonicalJson(value)).toBe(canonicalize(value))
      }),
    )
  })
})

describe('signatures', () => {
  const key = keyOf('k')
  const bytes = utf8('message')
  const signature = sign(key, bytes)

  it('of tweetnacl are byte for byte those of node:crypto (97)', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 200 }),
        (seed, message) => {
          const der = Buffer.from(concatBytes(fromHex('302e020100300506032b657004220420') as Uint8Array, seed))
          const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
          const made = signingKey(seed)
          expect(sign(made, message)).toEqual(new Uint8Array(nodeSign(null, message, privateKey)))
          expect(verify(made.public, message, sign(made, message))).toBe(true)
        },
      ),
      { numRuns: 20 },
    )
  })

  it('are those of RFC 8032, 7.1, TEST 2 (97)', () => {
    const rfc = signingKey(fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb') as Uint8Array)
    expect(toHex(rfc.public)).toBe('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    expect(toHex(sign(rfc, Uint8Array.of(0x72)))).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
  })

  it('of tweetnacl are verified by node:crypto, and only by the right key over the right bytes', () => {
    expect(verify(key.public, bytes, signature)).toBe(true)
    expect([verify(keyOf('other').public, bytes, signature), verify(key.public, utf8('other'), signature)]).toEqual([
      false,
      false,
    ])
    expect([verify(key.public, bytes, signature.slice(1)), verify(new Uint8Array(3), bytes, signature)]).toEqual([
      false,
      false,
    ])
  })

  it('with L added to S pass with tweetnacl and not with us: a relay cannot mint spellings (5)', () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    let s = 0n
    for (let index = 63; index >= 32; index--) s = (s << 8n) | BigInt(signature[index] ?? 0)
    s += order
    const malleated = new Uint8Array(signature)
    for (let index = 32; index < 64; index++) {
      malleated[index] = Number(s & 255n)
      s >>= 8n
    }
    expect([nacl.sign.detached.verify(bytes, malleated, key.public), verify(key.public, bytes, malleated)]).toEqual([
      true,
      false,
    ])
  })
})
