/**
 * Signed statements outside of TUF: `{"body":{…},"sig":"…"}` in canonical JSON, `sig` the base64url Ed25519 signature over domain ‖ 0x00 ‖
 * canonical(body). A domain for each use, so that a signature made for one serves no other. One spelling per statement.
 */
import { fromBase64url, textOf, toBase64url, utf8 } from '#base/bytes.ts'
import { canonicalJson, NotCanonical } from '#base/canonical-json.ts'
import { fieldsAt, GuardFailed, onlyKeys, own, textAt, type Fields } from '#base/guard.ts'
import { domainBytes, sign, verify, type SigningKey } from './keys.ts'

export interface Certificate {
  readonly body: Fields
  readonly signature: Uint8Array
}

export type Domain = 'grapevine-token-v1' | 'grapevine-member-v1'

/** The signed statement as an object: it may stand inside another. */
export function signCertificate(domain: Domain, body: Fields, key: SigningKey): Fields {
  return { body, sig: toBase64url(sign(key, domainBytes(domain, utf8(canonicalJson(body))))) }
}

/** Throws GuardFailed for what is no certificate, and for any spelling but the canonical one. */
export function certificateOf(bytes: Uint8Array, bytesMax: number): Fields {
  if (bytes.byteLength > bytesMax) throw new GuardFailed('certificate', `at most ${bytesMax} bytes`)
  const text = textOf(bytes) ?? ''
  let fields: Fields
  try {
    fields = fieldsAt(JSON.parse(text), 'certificate')
    if (canonicalJson(fields) === text) return fields
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof NotCanonical)) throw error
  }
  throw new GuardFailed('certificate', 'canonical JSON')
}

export function readCertificate(value: unknown, path: string, extra: readonly string[] = []): Certificate {
  const fields = fieldsAt(value, path)
  onlyKeys(fields, path, ['body', 'sig', ...extra])
  const signature = fromBase64url(textAt(own(fields, 'sig'), `${path}.sig`, 86))
  if (signature?.byteLength !== 64) throw new GuardFailed(`${path}.sig`, '64 bytes as base64url')
  return { body: fieldsAt(own(fields, 'body'), `${path}.body`), signature }
}

export const isSigned = (domain: Domain, { body, signature }: Certificate, publicKey: Uint8Array): boolean =>
  verify(publicKey, domainBytes(domain, utf8(canonicalJson(body))), signature)
