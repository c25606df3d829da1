/** `grapevine doctor`: named checks, each with what to do where it fails; exit 1 where one does. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { Diagnosis } from '#node/doctor.ts'
import type { Action } from '../main.ts'
import { table } from '../print.ts'

export const action: Action = async ({ home, output }) => {
  const checks = (await callHome({ home: homeFolder(home), command: 'doctor' })) as Diagnosis[]
  const isHealthy = checks.every((check) => check.result !== 'fail')
  const rows = checks.map(({ result, name, text, next }) => [
    result,
    name,
    next === undefined ? text : `${text} ${next}`,
  ])
  output.answer({ healthy: isHealthy, checks }, table(['RESULT', 'CHECK', ''], rows))
  return isHealthy ? 0 : 1
}
