/**
 * Whether this machine is a good one to fetch for its site, where no relay does (protocol.md §5.5): one that runs on its battery, or whose
 * only network is a radio, lets others volunteer first. A hint only: alone it volunteers all the same.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** False on battery, or with no network but wireless. What the system does not tell counts as fit. `system` is `/sys`, but in tests. */
export async function isFitForUplink(system: string = '/sys'): Promise<boolean> {
  return !(await isOnBattery(join(system, 'class/power_supply'))) && !(await isWirelessOnly(join(system, 'class/net')))
}

/** Linux, Documentation/ABI/testing/sysfs-class-power: a battery that discharges, and no mains that is online. */
async function isOnBattery(folder: string): Promise<boolean> {
  let isDischarging = false
  for (const name of await namesIn(folder)) {
    const type = await textOf(join(folder, name, 'type'))
    if (type !== 'Battery' && (await textOf(join(folder, name, 'online'))) === '1') return false
    // A mouse has a battery, too.
    if (type === 'Battery' && (await textOf(join(folder, name, 'scope'))) !== 'Device')
      isDischarging ||= (await textOf(join(folder, name, 'status'))) === 'Discharging'
  }
  return isDischarging
}

async function isWirelessOnly(folder: string): Promise<boolean> {
  let [wired, wireless] = [0, 0]
  for (const name of await namesIn(folder)) {
    // Loopback, bridges and tunnels have no device behind them.
    const parts = await namesIn(join(folder, name))
    const isUp = (await textOf(join(folder, name, 'operstate'))) === 'up'
    if (!isUp || !parts.includes('device')) continue
    if (parts.includes('wireless') || parts.includes('phy80211')) wireless++
    else wired++
  }
  return wireless > 0 && wired === 0
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])
const textOf = (file: string): Promise<string> =>
  readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => '',
  )
