/**
 * Whether members would accept what an origin is about to sign: the limits of every reader, asked before anything is said. A release
 * that only its maker can read would cut the fleet off from all later ones. Never signs, and never shortens.
 */
import { Misconfigured, Refused } from '#base/errors.ts'
import { readDocuments } from './mesh-documents.ts'
import type { MetadataPack } from './metadata-pack.ts'
import { encodePack, fileLengthMax } from './pack-codec.ts'
import { openEnvelope, readSnapshot, readTargets } from './roles.ts'

/** 2 MiB: the whole of a release with all its roots, as a newcomer needs it in one pack. */
export const releaseBytesMax = 2_097_152

/** Misconfigured RELEASE_UNACCEPTABLE where a file, a document or the whole is larger or holds more than members read. */
export function requireAcceptable(pack: MetadataPack): void {
  try {
    for (const [name, bytes] of pack.roles) readTargets(openEnvelope(bytes, 'targets', name), name)
    if (pack.snapshot) readSnapshot(openEnvelope(pack.snapshot, 'snapshot', 'snapshot'), 'snapshot')
    readDocuments(pack.documents)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    throw unacceptable(error.message, error)
  }
  for (const [path, { byteLength }] of pack.documents)
    if (byteLength > fileLengthMax) throw unacceptable(`${path} has more than ${fileLengthMax} bytes.`)
  const { byteLength } = encodePack(pack)
  if (byteLength > releaseBytesMax)
    throw unacceptable(`As a whole it has ${byteLength} bytes, more than ${releaseBytesMax}.`)
}

const unacceptable = (why: string, cause?: Refused): Misconfigured =>
  new Misconfigured('RELEASE_UNACCEPTABLE', {
    message: `This release was not signed, for no member would accept it: ${why}`,
    next: 'Take bundles out or let them say less (select, windows); revoke a token or an issuer in place of many devices.',
    ...(cause && { cause }),
  })
