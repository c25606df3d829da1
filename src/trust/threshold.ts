/**
 * Counts signatures: whether enough different keys of a role signed a file (TUF 1.0.34 §4.2, §5.3.4). Two signatures of one
 * key count once, also where one key stands under two names; a signature of a role's key that does not verify condemns the
 * file, because in the strict form nobody honest adds one.
 */
import { toHex } from '#base/bytes.ts'
import { Refused } from '#base/errors.ts'
import { verify } from './keys.ts'

/** Who may sign a role, and how many of them must. */
export interface RoleKeys {
  /** Public keys of 32 bytes, by keyid. */
  readonly keys: ReadonlyMap<string, Uint8Array>
  /** Whole number of at least 1. */
  readonly threshold: number
}

/** What is signed, and by whom it claims to be. */
export interface SignedBytes {
  /** Canonical JSON of the member `signed`. */
  readonly bytes: Uint8Array
  /** Signatures of 64 bytes, by keyid. */
  readonly signatures: ReadonlyMap<string, Uint8Array>
}

/** Not the sender's fault alone: the file is signed by keys that the roots known here do not name. A newer root may. */
export class UnknownSigner extends Refused {
  override name = 'UnknownSigner'
}

/**
 * Returns when the role's threshold is met. Otherwise throws Refused METADATA_SIGNATURE: with UnknownSigner where a keyid is
 * foreign to the role (and to `alsoKnown`, for a root that is signed by the old and the new keys), plainly where a key of
 * the role signed wrongly or too few signed.
 */
export function verifyThreshold(role: RoleKeys, signed: SignedBytes, where: string, alsoKnown?: RoleKeys): void {
  const signers = new Set<string>()
  let foreign = false
  for (const [keyid, signature] of signed.signatures) {
    const publicKey = role.keys.get(keyid)
    if (!publicKey) {
      foreign ||= !alsoKnown?.keys.has(keyid)
      continue
    }
    if (!verify(publicKey, signed.bytes, signature))
      throw new Refused('METADATA_SIGNATURE', { message: `The signature of key ${keyid} on ${where} is wrong.`, where })
    signers.add(toHex(publicKey))
  }
  if (foreign)
    throw new UnknownSigner('METADATA_SIGNATURE', {
      message: `${where} is signed by a key that is not one of its role.`,
      where,
    })
  if (signers.size < role.threshold)
    throw new Refused('METADATA_SIGNATURE', {
      message: `${where} needs signatures of ${role.threshold} different keys and has ${signers.size}.`,
      where,
    })
}
