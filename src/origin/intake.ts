/**
 * Reports as they reach the origin: opened, checked, counted once, receipted. A report that is refused is receipted all the same,
 * unless time may mend it: sending it again would not make it better, and whoever carries it would carry it for ever.
 */
import { messageOf, Refused } from '#base/errors.ts'
import { sha256 } from '#base/digest.ts'
import type { Instant } from '#base/time.ts'
import type { PackagePart } from '#facts/inventory-part.ts'
import type { Report } from '#facts/report.ts'
import { peerIdOf, type PeerId } from '#trust/peer-id.ts'
import { verifyMembership, type Membership } from '#trust/membership.ts'
import { openReport, signReceipt, type Receipted } from '#trust/seal.ts'
import type { BoxKey, SigningKey } from '#trust/keys.ts'
import type { TrustedSet } from '#trust/trusted-set.ts'
import { Fleet, type Device, type Reported } from './fleet.ts'
import { unpackReport } from './report-body.ts'

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
  /** Parts of inventories that fit what is known of their device, to be kept in this order. */
  readonly parts: readonly DevicePart[]
  /** To be sent back the way the reports came; undefined where none was worth one. */
  readonly receipt: Uint8Array | undefined
  readonly refused: readonly { readonly code: string; readonly message: string }[]
}

export interface DevicePart {
  readonly peer: PeerId
  readonly part: PackagePart
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
    const receipted: Receipted[] = []
    const changed: Device[] = []
    const parts: DevicePart[] = []
    const refused: { code: string; message: string }[] = []
    for (const bytes of sealed.slice(0, receiptNamesMax)) {
      try {
        const { device, part, anew } = this.#takeOne(bytes, now)
        if (device) changed.push(device)
        if (device && part) parts.push({ peer: device.peer, part })
        receipted.push({ name: sha256(bytes), anew })
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        refused.push({ code: error.code, message: messageOf(error) })
        if (!mendable.has(error.code)) receipted.push({ name: sha256(bytes), anew: false })
      }
    }
    const receipt = receipted.length > 0 ? signReceipt(this.#init.device, receipted) : undefined
    return { changed, parts, refused, receipt }
  }

  #takeOne(sealed: Uint8Array, now: Instant): Reported {
    const { set, boxes, fleet } = this.#init
    const { peer, seq, body } = openReport(sealed, boxes)
    const { membership, report, inventory } = unpackReport(body)
    if (membership.byteLength === 0) return this.#takeKnown(peer, seq, report, now)
    const member = verifyMembership(membership, {
      meshId: set.meshId,
      issuers: set.issuers(),
      revocations: set.revocations(),
      peer,
      now,
    })
    return fleet.reported(member, { seq, report, inventory }, now)
  }

  /** A report without a membership counts while the one that is known of its device holds; else the device is to say all anew. */
  #takeKnown(peer: PeerId, seq: number, report: Report, now: Instant): Reported {
    const { set, fleet } = this.#init
    const member = fleet.memberOf(peer)
    const { issuers, peers, tokens } = set.revocations()
    if (peers.has(peer) || (member && (issuers.has(member.issuer) || tokens.has(member.token?.id ?? ''))))
      throw new Refused('MEMBERSHIP_REVOKED', { message: 'A membership was revoked.' })
    if (!member || member.expires <= now) return { device: undefined, part: undefined, anew: true }
    return fleet.reported(member, { seq, report, inventory: undefined }, now)
  }

  /** Who signs receipts. */
  get peer(): PeerId {
    return peerIdOf(this.#init.device.public)
  }
}
