/** What the fleet's list knows of one device, in the shape that a select is compared with; null where it does not know its facts. */
import { own } from '#base/guard.ts'
import type { Device } from '#policy/select.ts'
import type { Session } from './session.ts'

/** By name or peer id. Misconfigured `NOT_ORIGIN` on other members. */
export function deviceFacts(
  session: Session,
  args: Readonly<Record<string, unknown>>,
): (Device & { readonly name: string }) | null {
  session.originPart()
  const wanted = own(args, 'name')
  const devices = session.member.intake?.fleet.list() ?? []
  const device = devices.find(({ name, peer }) => name === wanted || peer === wanted)
  if (!device?.facts) return null
  const { name, role, site, labels, facts } = device
  return { name, role: role as Device['role'], site, labels, facts }
}
