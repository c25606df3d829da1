/**
 * Reports as they reach the origin: opened, checked, counted once, receipted. A report that is refused is receipted all the same,
 * unless time may mend it: sending it again would not make it better, and whoever carries it would carry it for ever.
 */
import { messageOf, Refused } from '#base/errors.ts'
import { sha256, type Digest } from '#base/digest.ts'
import type { Instant } from '#base/time.ts'
import { readReport } from '#facts/report.ts'
import { peerIdOf, type PeerId } from '#trust/peer-id.ts'
import { verifyMembership, type Membership } from '#trust/membership.ts'
import { openReport, signReceipt } from '#trust/seal.ts'
import type { BoxKey, SigningKey } from '#trust/keys.ts'
import type { TrustedSet } from '#trust/trusted-set.ts'
import { Fleet, type Device } from './fleet.ts'

export interface IntakeInit {
  readonly set: TrustedSet
  /** The origin's own device key: it signs receipts. */
  readonly device: SigningKey
  readonly boxes: readonly BoxKey[]
  readonly fleet: Fleet
}

export interface Intake {
  /** Devices whose entry changed, to be kept. */
  readonly changed: readonly Device[]
  /** To be sent back the way the reports came; undefined where none was worth one. */
  readonly receipt: Uint8Array | undefined
  readonly refused: readonly { readonly code: string; readonly message: string }[]
}

/** Receipts name at most this many reports; a batch is never larger (protocol params). */
const receiptNamesMax = 128

/** A device whose clock is ahead, and an issuer whose key reaches this origin later. */
const mendable: ReadonlySet<string> = new Set(['MEMBERSHIP_NOT_YET_VALID', 'MEMBERSHIP_ISSUER_UNKNOWN'])

export class ReportIntake {
  readonly #init: IntakeInit

  constructor(init: IntakeInit) {
    this.#init = init
  }

  get fleet(): Fleet {
    return this.#init.fleet
  }

  /** A device said hello; its membership was verified when it did. */
  greeted(membership: Membership, now: Instant): Device | undefined {
    return this.#init.fleet.greeted(membership, now)
  }

  take(sealed: readonly Uint8Array[], now: Instant): Intake {
    const names: Digest[] = []
    const changed: Device[] = []
    const refused: { code: string; message: string }[] = []
    for (const bytes of sealed.slice(0, receiptNamesMax)) {
      try {
        const device = this.#takeOne(bytes, now)
        if (device) changed.push(device)
        names.push(sha256(bytes))
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        refused.push({ code: error.code, message: messageOf(error) })
        if (!mendable.has(error.code)) names.push(sha256(bytes))
      }
    }
    return { changed, refused, receipt: names.length > 0 ? signReceipt(this.#init.device, names) : undefined }
  }

  #takeOne(sealed: Uint8Array, now: Instant): Device | undefined {
    const { set, boxes, fleet } = this.#init
    const opened = openReport(sealed, boxes)
    const { membership, report } = unpackReport(opened.body)
    const member = verifyMembership(membership, {
      meshId: set.meshId,
      issuers: set.issuers(),
      revocations: set.revocations(),
      peer: opened.peer,
      now,
    })
    return fleet.reported(member, opened.seq, readReport(report), now)
  }

  /** Who signs receipts. */
  get peer(): PeerId {
    return peerIdOf(this.#init.device.public)
  }
}

/**
 * The body inside a seal: u16be length of the membership certificate, the certificate, then the report's JSON. The certificate
 * travels inside, since relays must not see who reports.
 */
export function packReport(membership: Uint8Array, report: Uint8Array): Uint8Array {
  const body = new Uint8Array(2 + membership.byteLength + report.byteLength)
  new DataView(body.buffer).setUint16(0, membership.byteLength)
  body.set(membership, 2)
  body.set(report, 2 + membership.byteLength)
  return body
}

function unpackReport(body: Uint8Array): { membership: Uint8Array; report: Uint8Array } {
  const length = body.byteLength < 2 ? 0 : new DataView(body.buffer, body.byteOffset).getUint16(0)
  if (length === 0 || 2 + length > body.byteLength)
    throw new Refused('REPORT_INVALID', { message: 'A sealed report holds no membership.' })
  return { membership: body.subarray(2, 2 + length), report: body.subarray(2 + length) }
}
