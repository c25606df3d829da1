/** What a member says of itself at the end of a run: its ledger of line and LAN, and what its process used. */
import type { BedMember, Cost } from './member.ts'

interface Ledger {
  readonly downBytes: number
  readonly upBytes: number
}

export interface MemberAccount {
  readonly name: string
  readonly cost?: Cost | undefined
  readonly wan?:
    | (Ledger & { readonly neededBytes: number; readonly duplicateBytes: number; readonly controlBytes: number })
    | undefined
  readonly lan?: Ledger | undefined
  readonly uplink?: { readonly acting: boolean; readonly reach: boolean } | undefined
  readonly neighbours?: number | undefined
  /** The answer to `why`: which content cost how much; only where anything crossed the line. */
  readonly why?: unknown
}

/** Undefined parts where it does not answer: it was stopped, or is too busy. */
export async function accountOf({ member }: { readonly member: BedMember }): Promise<MemberAccount> {
  const cost = member.cost()
  const status = (await member.ask('status')) as Partial<MemberAccount & { peers: unknown[] }> | undefined
  const why = (status?.wan?.downBytes ?? 0) > 0 ? await member.ask('why') : undefined
  return {
    name: member.name,
    cost,
    wan: status?.wan,
    lan: status?.lan,
    uplink: status?.uplink,
    neighbours: status?.peers?.length,
    ...(why !== undefined && { why }),
  }
}
