/** Whether processes have ended, for tests of what kills them. */
import { setTimeout as wait } from 'node:timers/promises'

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Waits up to two seconds: killed processes stay visible until their new parent has seen them. */
export async function gone(...pids: number[]): Promise<boolean> {
  for (let turn = 0; turn < 100 && pids.some(alive); turn += 1) await wait(20)
  return !pids.some(alive)
}
