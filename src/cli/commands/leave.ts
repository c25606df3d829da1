/** `grapevine leave`: this device leaves its fleet, and every trace of it is removed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { GrapevineError } from '#base/errors.ts'
import { isUnfinished, removeHome } from '#disk/home-removal.ts'
import { homeFolder } from '#node/config.ts'
import { callHome } from '#node/home-call.ts'
import type { LeaveDocument } from '#node/leave.ts'
import type { StatusDocument } from '#node/status.ts'
import { confirm } from '../confirm.ts'
import type { Action } from '../main.ts'

interface Options extends Record<string, unknown> {
  readonly yes: boolean
  readonly origin: boolean
  readonly wait: number
}

/** A daemon ends within 5 s. */
const tries = 100
const pauseMs = 100

export const action: Action<Options> = async ({ home, output }, { yes, origin, wait }) => {
  const folder = homeFolder(home)
  // Nobody can be asked in a home whose removal was cut off, and it has to be removed all the same.
  const isRest = await isUnfinished(folder)
  const status = isRest ? undefined : ((await callHome({ home: folder, command: 'status' })) as StatusDocument)
  // Without --origin an origin is told at once what that would mean.
  const asks = !yes && (origin || status?.role !== 'origin')
  const say = (text: string): void => void process.stderr.write(text)
  if (asks && !(await confirm(questionOf(folder, status), { input: process.stdin, say }))) {
    output.answer({ removed: null }, 'Nothing was changed.')
    return 1
  }
  const args = { origin, waitMs: wait }
  const left = isRest ? undefined : ((await callHome({ home: folder, command: 'leave', args })) as LeaveDocument)
  const stays = await removeOnceFree(folder)
  const answer = {
    name: left?.name ?? null,
    told: left?.told ?? 'nobody',
    unreceipted: left?.unreceipted ?? 0,
    removed: folder,
    stays,
  }
  output.answer(answer, [
    `${left ? `${left.name} has left ${left.fleet}` : 'The rest is removed'}: ${left?.role === 'origin' ? 'it has no origin any more.' : toldText(answer.told)}`,
    stays.length === 0
      ? `${folder} is removed.`
      : `What is ours in ${folder} is removed. Left there: ${stays.join(', ')}`,
    'What policies did on this machine stays as it is.',
  ])
  return 0
}

function questionOf(folder: string, status: StatusDocument | undefined): string {
  if (!status) return `Remove what is left in ${folder}?`
  const { name, fleet, role } = status
  return role === 'origin'
    ? `End the fleet ${fleet}, and remove its keys and all else in ${folder}?`
    : `Take ${name} out of ${fleet}, and remove its keys and all else in ${folder}?`
}

function toldText(told: LeaveDocument['told']): string {
  switch (told) {
    case 'origin':
      return 'the origin knows.'
    case 'neighbour':
      return 'a neighbour carries the word to the origin.'
    case 'nobody':
      return 'nobody could be told, so the origin will take it for silent.'
  }
}

async function removeOnceFree(folder: string): Promise<readonly string[]> {
  for (let left = tries; ; left--) {
    try {
      return await removeHome(folder)
    } catch (error) {
      if (!(error instanceof GrapevineError) || error.code !== 'HOME_LOCKED' || left === 0) throw error
      await sleep(pauseMs)
    }
  }
}
