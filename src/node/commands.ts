/** What can be asked of a member by another process or by a command on its home: names and the work behind them. */
import { applyNow } from './apply-now.ts'
import { diagnose } from './doctor.ts'
import { drift } from './drift.ts'
import { fleetDevice } from './fleet-device.ts'
import { leave } from './leave.ts'
import { pause, resume } from './pause.ts'
import { publish } from './publish.ts'
import { rollback, versions } from './rollback.ts'
import { factsDocument } from './self-portrait.ts'
import type { Session } from './session.ts'
import { site } from './site.ts'
import { deviceFacts } from './reported-facts.ts'
import { windows } from './windows.ts'
import { createToken, listTokens } from './token-desk.ts'
import { unpublish } from './unpublish.ts'
import { why } from './why.ts'

export type CommandName =
  | 'status'
  | 'fleet'
  | 'fleet-device'
  | 'facts'
  | 'why'
  | 'site'
  | 'publish'
  | 'unpublish'
  | 'rollback'
  | 'versions'
  | 'token-create'
  | 'token-list'
  | 'apply'
  | 'drift'
  | 'pause'
  | 'resume'
  | 'leave'
  | 'doctor'
  | 'device-facts'
  | 'windows'

export type Carried = (
  session: Session,
  args: Readonly<Record<string, unknown>>,
  progress: (news: unknown) => void,
) => Promise<unknown>

export const commands: Readonly<Record<CommandName, Carried>> = {
  status: (session) => session.status(),
  fleet: (session) => Promise.resolve(session.fleet()),
  'fleet-device': fleetDevice,
  facts: factsDocument,
  why,
  site,
  publish,
  unpublish,
  rollback,
  versions,
  'token-create': createToken,
  'token-list': listTokens,
  apply: applyNow,
  drift,
  pause,
  resume,
  leave,
  doctor: diagnose,
  'device-facts': (session, args) => Promise.resolve(deviceFacts(session, args)),
  windows,
}

export const isCommand = (name: string): name is CommandName => Object.hasOwn(commands, name)
