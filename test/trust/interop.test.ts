/** Another TUF library as the judge: what we sign must be a plain TUF 1.0 repository. */
import { Metadata, MetadataKind } from '@tufjs/models'
import nacl from 'tweetnacl'
import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '#base/bytes.ts'
import { sign, verify } from '#trust/keys.ts'
import type { MetadataPack } from '#trust/metadata-pack.ts'
import { bundle, fleet, keyOf } from '../support/fleet.ts'

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
})

describe('signatures', () => {
  const key = keyOf('k')
  const bytes = utf8('message')
  const signature = sign(key, bytes)

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
