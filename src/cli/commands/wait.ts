/**
 * `grapevine wait`: exits 0 when every bundle meant for this member in the release has reached the state, 1 at the timeout. With no
 * bundle meant for it, it goes on waiting; it waits, too, for a daemon that is still starting.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Negative } from '#base/errors.ts'
import { callDaemon, noDaemon } from '#node/control-client.ts'
import { callHome } from '#node/home-call.ts'
import { controlSocketOf } from '#disk/home.ts'
import { homeFolder } from '#node/config.ts'
import type { StatusDocument } from '#node/status.ts'
import type { Action } from '../main.ts'

interface Options extends Record<string, unknown> {
  readonly state: 'prepared' | 'applied'
  readonly release?: number
  readonly timeout: number
}

/** Short enough for scripts that measure, long enough not to be seen in the daemon's CPU. */
const askMs = 150

export const action: Action<Options> = async ({ home, output }, { state, release, timeout }) => {
  const folder = homeFolder(home)
  const deadline = Date.now() + timeout
  // Without a daemon the folder is looked at once: nothing in it moves until a daemon starts.
  let status: StatusDocument | undefined = await statusWithoutDaemon(folder)
  for (;;) {
    if (status && hasReached(status, state, release)) {
      output.answer(
        { reached: true, state, release: status.release, bundles: status.bundles },
        `${state}: release ${status.release}`,
      )
      return 0
    }
    if (status)
      output.progress(
        `release ${status.release}: ${status.bundles.map(({ name, state }) => `${name} ${state}`).join(', ')}`,
      )
    if (Date.now() >= deadline) break
    await sleep(Math.min(askMs, Math.max(1, deadline - Date.now())))
    const answer = await callDaemon({ socket: controlSocketOf(folder), command: 'status' }).catch(() => noDaemon)
    if (answer !== noDaemon) status = answer as StatusDocument
  }
  throw new Negative('WAIT_TIMEOUT', {
    message: `Not ${state} within ${timeout / 1000} s: ${reasonOf(status, state, release)}.`,
    where: folder,
    next: 'See grapevine status.',
  })
}

async function statusWithoutDaemon(home: string): Promise<StatusDocument | undefined> {
  return (await callHome({ home, command: 'status' }).catch((error: { code?: string }) => {
    if (error.code === 'HOME_NOT_FOUND') throw error
    return undefined
  })) as StatusDocument | undefined
}

function hasReached(status: StatusDocument, state: 'prepared' | 'applied', release: number | undefined): boolean {
  if (release !== undefined && status.release < release) return false
  const meant = meantOf(status)
  return meant.length > 0 && meant.every((bundle) => isAt(bundle, state))
}

function reasonOf(
  status: StatusDocument | undefined,
  state: 'prepared' | 'applied',
  release: number | undefined,
): string {
  if (!status) return 'no daemon answered'
  if (release !== undefined && status.release < release)
    return `release ${release} has not come, the newest here is ${status.release}`
  const missing = meantOf(status).filter((bundle) => !isAt(bundle, state))
  const what = missing.map((bundle) => `${bundle.name} is ${bundle.state}`).join(', ')
  return `release ${status.release}, ${what || 'no bundle is meant for this member'}`
}

const meantOf = ({ bundles }: StatusDocument): StatusDocument['bundles'] =>
  bundles.filter((bundle) => bundle.state !== 'withdrawn')

const isAt = (bundle: StatusDocument['bundles'][number], state: 'prepared' | 'applied'): boolean =>
  state === 'applied' ? bundle.state === 'applied' : bundle.prepared
