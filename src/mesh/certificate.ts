/**
 * Certificates that carry a peer id (libp2p specs, tls.md): a key for TLS made for one process, and in an extension the key of the device with its signature
 * over it. On node:crypto alone: @libp2p/tls reads them with a library that takes 3-6 ms for each and 30 ms to load. It must never
 * accept what libp2p's own check does not; of what that accepts, it accepts ECDSA on P-256 with SHA-256, which is what every libp2p makes.
 *
 *   extension 1.3.6.1.4.1.53594.1.1: SEQUENCE { OCTET STRING key (protobuf), OCTET STRING signature over "libp2p-tls-handshake:" ‖ SubjectPublicKeyInfo }
 */
import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { concatBytes, equalBytes, utf8 } from '#base/bytes.ts'
import { der, DerReader, tags } from './der.ts'

/** What Node's TLS takes. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

const extensionOid = Uint8Array.of(0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xa2, 0x5a, 0x01, 0x01)
const ecdsaSha256 = der(tags.sequence, der(tags.oid, Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)))
const signedPrefix = utf8('libp2p-tls-handshake:')
/** Of ours; more is nothing that anybody needs. */
const certificateBytesMax = 4_096
const hourMs = 3_600_000
/** As other libp2p do it: the key lives as long as its process, and peers with a wrong clock are let in. */
const validMs = 100 * 365 * 24 * hourMs

/** A new certificate for this device. */
export async function makeIdentity(device: PrivateKey, nowMs: number): Promise<Identity> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const signed = der(
    tags.sequence,
    der(tags.octets, publicKeyToProtobuf(device.publicKey)),
    der(tags.octets, await device.sign(concatBytes(signedPrefix, spki))),
  )
  const extension = der(
    tags.sequence,
    der(tags.oid, extensionOid),
    der(tags.boolean, Uint8Array.of(0xff)),
    der(tags.octets, signed),
  )
  const serial = randomBytes(8)
  // Positive, and in its shortest form.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const nobody = der(tags.sequence)
  const body = der(
    tags.sequence,
    der(tags.version, der(tags.integer, Uint8Array.of(2))),
    der(tags.integer, serial),
    ecdsaSha256,
    nobody,
    der(tags.sequence, timeOf(nowMs - hourMs), timeOf(nowMs + validMs)),
    nobody,
    spki,
    der(tags.extensions, der(tags.sequence, extension)),
  )
  const signature = sign('sha256', body, privateKey)
  const cert = der(tags.sequence, body, ecdsaSha256, der(tags.bits, Uint8Array.of(0), signature))
  return {
    cert: new X509Certificate(cert).toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** Whose certificate it is. Throws TypeError where it is nobody's: not valid now, not signed by itself, or without a key that signed for it. */
export async function peerOf(certificate: X509Certificate, nowMs: number): Promise<PeerId> {
  const { raw, publicKey } = certificate
  if (raw.byteLength > certificateBytesMax) throw new TypeError('the certificate is too large')
  const { spki, extension } = read(raw)
  if (!(certificate.validFromDate.getTime() <= nowMs && nowMs <= certificate.validToDate.getTime()))
    throw new TypeError('the certificate is not valid now')
  if (publicKey.asymmetricKeyType !== 'ec' || publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new TypeError('the certificate has a key of another kind than P-256')
  if (!certificate.verify(publicKey)) throw new TypeError('the certificate is not signed by its own key')
  const pair = new DerReader(extension)
  const parts = pair.inside(tags.sequence)
  pair.end()
  const device = publicKeyFromProtobuf(parts.take(tags.octets))
  const signature = parts.take(tags.octets)
  parts.end()
  if (!(await device.verify(concatBytes(signedPrefix, spki), signature)))
    throw new TypeError('the key in the certificate did not sign for it')
  return peerIdFromPublicKey(device)
}

/** The public key and libp2p's extension, which is the first, of a certificate of version 3. */
function read(raw: Uint8Array): { readonly spki: Uint8Array; readonly extension: Uint8Array } {
  const outer = new DerReader(raw)
  const certificate = outer.inside(tags.sequence)
  outer.end()
  const body = certificate.inside(tags.sequence)
  const algorithm = certificate.whole(tags.sequence)
  certificate.take(tags.bits)
  certificate.end()
  body.take(tags.version)
  body.take(tags.integer)
  if (!equalBytes(body.whole(tags.sequence), ecdsaSha256) || !equalBytes(algorithm, ecdsaSha256))
    throw new TypeError('the certificate is signed in another way than ECDSA with SHA-256')
  const issuer = body.take(tags.sequence)
  body.take(tags.sequence)
  if (!equalBytes(issuer, body.take(tags.sequence))) throw new TypeError('the certificate is issued by somebody else')
  const spki = body.whole(tags.sequence)
  const list = body.inside(tags.extensions)
  body.end()
  const extensions = list.inside(tags.sequence)
  list.end()
  const [first, ...others] = all(extensions)
  if (!first || !equalBytes(first.oid, extensionOid)) throw new TypeError('the certificate names no peer')
  if (others.some(({ isCritical }) => isCritical))
    throw new TypeError('the certificate has a condition that we do not know')
  return { spki, extension: first.value }
}

function all(extensions: DerReader): { oid: Uint8Array; isCritical: boolean; value: Uint8Array }[] {
  const found = []
  while (!extensions.isAtEnd) {
    const extension = extensions.inside(tags.sequence)
    const oid = extension.take(tags.oid)
    const isCritical = extension.tag === tags.boolean && extension.take(tags.boolean)[0] !== 0
    found.push({ oid, isCritical, value: extension.take(tags.octets) })
    extension.end()
  }
  return found
}

/** RFC 5280 §4.1.2.5: two digits for the year until 2049. */
function timeOf(ms: number): Uint8Array {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return text < '2050' ? der(tags.utcTime, utf8(text.slice(2))) : der(tags.time, utf8(text))
}
