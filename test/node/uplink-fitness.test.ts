import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isFitForUplink } from '#node/uplink-fitness.ts'

let system: string
beforeEach(async () => {
  system = await mkdtemp(join(tmpdir(), 'grapevine-sys-'))
})
afterEach(() => rm(system, { recursive: true }))

async function has(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(system, 'class', name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, `${text}\n`)
  }
}
const battery = (status: string): Record<string, string> => ({
  'power_supply/BAT0/type': 'Battery',
  'power_supply/BAT0/status': status,
})
const card = (name: string, isRadio: boolean, state = 'up'): Record<string, string> => ({
  [`net/${name}/operstate`]: state,
  [`net/${name}/device/vendor`]: '0x8086',
  ...(isRadio && { [`net/${name}/wireless/status`]: '0' }),
})

describe('a machine is fit to fetch for its site', () => {
  it('where the system tells nothing, and on a cable', async () => {
    expect(await isFitForUplink(join(system, 'none'))).toBe(true)
    await has({ ...card('eth0', false), ...card('wlan0', true), 'net/lo/operstate': 'unknown' })
    expect(await isFitForUplink(system)).toBe(true)
  })

  it('not by radio alone: a cable that is not plugged in does not count', async () => {
    await has({ ...card('eth0', false, 'down'), ...card('wlan0', true) })
    expect(await isFitForUplink(system)).toBe(false)
  })

  it('not while it runs on its battery, but on mains', async () => {
    await has(battery('Discharging'))
    expect(await isFitForUplink(system)).toBe(false)
    await has({ 'power_supply/AC/type': 'Mains', 'power_supply/AC/online': '1' })
    expect(await isFitForUplink(system)).toBe(true)
  })

  it('with the battery of a mouse', async () => {
    await has({ ...battery('Discharging'), 'power_supply/BAT0/scope': 'Device' })
    expect(await isFitForUplink(system)).toBe(true)
  })
})
