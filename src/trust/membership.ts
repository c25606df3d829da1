/**
 * Who is a member: the certificate chain that a device carries (trust.md §6).
 */
import type { PeerId } from './peer-id.ts'

export type Role = 'origin' | 'relay' | 'client'
export const roles: readonly Role[] = ['origin', 'relay', 'client']

/** A membership that was verified. */
export interface Membership {
  readonly peer: PeerId
  readonly name: string
  readonly site: string
  readonly role: Role
  readonly labels: Readonly<Record<string, string>>
  /** Token it was made with; undefined where an issuer signed it directly. */
  readonly token?: string
  readonly issuer: string
  /** Milliseconds since 1970. */
  readonly expires: number
}
