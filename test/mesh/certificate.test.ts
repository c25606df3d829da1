/** Certificates with a peer id: as libp2p makes and reads them, and nothing more than that. */
import { X509Certificate } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { generateCertificate, verifyPeerCertificate } from '@libp2p/tls/utils'
import { expect, it } from 'vitest'
import { makeIdentity, peerOf } from '#mesh/certificate.ts'
import { der, DerReader, tags } from '#mesh/der.ts'

const device = await generateKeyPair('Ed25519')
const name = device.publicKey.toCID().toString()
const now = Date.now()
const { cert } = await makeIdentity(device, now)
const raw = new X509Certificate(cert).raw

const verdictOf = async (bytes: Uint8Array, ms = now): Promise<string> => {
  try {
    return (await peerOf(new X509Certificate(bytes), ms)).toCID().toString()
  } catch {
    return 'refused'
  }
}

it('ours is accepted by libp2p as its device, and by us', async () => {
  expect((await verifyPeerCertificate(raw)).toCID().toString()).toBe(name)
  expect(await verdictOf(raw)).toBe(name)
})

it('what libp2p makes is accepted by us, whatever the kind of the key of the device', async () => {
  for (const kind of ['Ed25519', 'secp256k1'] as const) {
    const key = await generateKeyPair(kind)
    const other = new X509Certificate((await generateCertificate(key)).cert)
    expect((await peerOf(other, now)).toCID().toString()).toBe(key.publicKey.toCID().toString())
  }
})

it('with any one byte changed it is refused', async () => {
  for (let at = 0; at < raw.byteLength; at++) {
    const changed = Uint8Array.from(raw)
    changed[at] = (changed[at] ?? 0) ^ (1 + (at % 255))
    expect(await verdictOf(changed), `byte ${at}`).toBe('refused')
  }
})

it('before and after its time it is refused', async () => {
  expect(await verdictOf(raw, now - 2 * 3_600_000)).toBe('refused')
  expect(await verdictOf(raw, now + 101 * 365 * 86_400_000)).toBe('refused')
})

it('the extension of one device in a certificate with another key, signed by that key, is refused', async () => {
  // Everything is as it should be, but that the device signed for the key of another process.
  const lender = await generateKeyPair('Ed25519')
  const thief = { publicKey: device.publicKey, sign: (bytes: Uint8Array) => lender.sign(bytes) } as typeof device
  expect(await verdictOf(new X509Certificate((await makeIdentity(thief, now)).cert).raw)).toBe('refused')
})

it('a certificate without the extension is refused', async () => {
  const body = new DerReader(new DerReader(raw).take(tags.sequence)).inside(tags.sequence)
  const kept: Uint8Array[] = [body.whole(tags.version), body.whole(tags.integer)]
  while (!body.isAtEnd && body.tag === tags.sequence) kept.push(body.whole(tags.sequence))
  const rest = new DerReader(new DerReader(raw).take(tags.sequence))
  rest.whole(tags.sequence)
  const bare = der(tags.sequence, der(tags.sequence, ...kept), rest.whole(tags.sequence), rest.whole(tags.bits))
  expect(await verdictOf(bare)).toBe('refused')
})

it('DER in any other than its shortest form is refused', () => {
  for (const bytes of [
    [0x30, 0x80, 0, 0],
    [0x30, 0x81, 1, 0],
    [0x30, 0x82, 0, 1, 0],
    [0x30, 0x83, 1, 0, 0],
    [0x30, 2, 0],
    [0x30],
    [],
  ])
    expect(() => new DerReader(Uint8Array.from(bytes)).take(tags.sequence), bytes.join(' ')).toThrow(TypeError)
})
