import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { machineOf } from '#engines/machine.ts'
import { readFacts } from '#facts/inventory.ts'
import { scratch } from '../disk/scratch.ts'

async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await scratch()
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return root
}

const processor = (number: number, socket: number): string =>
  `processor\t: ${number}\nmodel name\t: AMD  EPYC 7443\nphysical id\t: ${socket}\ncpu cores\t: 2\n\n`

describe('what a machine is made of', () => {
  it('is read from /proc and /sys: maker, processors, memory, disks and network cards', async () => {
    const root = await folderOf({
      'sys/class/dmi/id/sys_vendor': 'Acme\n',
      'sys/class/dmi/id/product_name': 'Till 7\n',
      'sys/class/dmi/id/product_serial': 'To be filled by O.E.M.\n',
      'proc/cpuinfo': [0, 1, 2, 3].map((number) => processor(number, number >> 1)).join(''),
      'proc/meminfo': 'MemTotal:        8388608 kB\nMemFree:  5 kB\nSwapTotal:             0 kB\n',
      'sys/block/sda/size': '1000215216\n',
      'sys/block/sda/queue/rotational': '0\n',
      'sys/block/sda/device/model': 'SSD 860   \n',
      'sys/block/loop0/size': '8\n',
      'sys/class/net/eth0/address': '02:fc:00:00:00:01\n',
      'sys/class/net/eth0/device/uevent': '',
      'sys/class/net/veth1/address': '02:fc:00:00:00:02\n',
    })
    await symlink('../../../bus/pci/drivers/e1000e', join(root, 'sys/class/net/eth0/device/driver'))
    expect(await machineOf(root)).toEqual({
      system: { vendor: 'Acme', model: 'Till 7' },
      cpu: { model: 'AMD EPYC 7443', sockets: 2, cores: 4, threads: 4 },
      memory: { totalMiB: 8192, swapMiB: 0 },
      disks: { sda: { model: 'SSD 860', sizeGB: 512, rotating: false } },
      network: { eth0: { mac: '02:fc:00:00:00:01', driver: 'e1000e' } },
    })
  })

  it('is empty where nothing can be read, and what is read here is facts that an origin takes', async () => {
    expect(await machineOf(await scratch())).toEqual({ system: {}, cpu: {}, memory: {}, disks: {}, network: {} })
    const here = await machineOf()
    expect(readFacts(here)).toEqual(here)
    expect(await machineOf()).toEqual(here)
  })
})
