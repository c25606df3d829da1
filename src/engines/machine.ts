/**
 * What a machine is made of, from /proc and /sys alone: it starts no program and keeps nothing in memory (decisions/0017). Only what stays the
 * same from day to day, or every report would carry it anew. Addresses and users are left out, as in `probe.ts`.
 */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { FactValue, Facts } from '#facts/inventory.ts'

const textLengthMax = 128
const devicesMax = 32

/** `root` is `/`, or a folder that a test made. */
export async function machineOf(root: string = '/'): Promise<Facts> {
  const [system, cpu, memory, disks, network] = await Promise.all([
    systemOf(root),
    cpuOf(root),
    memoryOf(root),
    devicesOf(root, 'sys/block', diskOf),
    devicesOf(root, 'sys/class/net', networkOf),
  ])
  return { system, cpu, memory, disks, network }
}

/** What the maker wrote on it. The serial number can be read by root only. */
async function systemOf(root: string): Promise<Facts> {
  const word = (name: string): Promise<string | undefined> => lineOf(join(root, 'sys/class/dmi/id', name))
  return present({
    vendor: await word('sys_vendor'),
    model: (await word('product_name')) ?? (await lineOf(join(root, 'proc/device-tree/model'))),
    serial: (await word('product_serial')) ?? (await lineOf(join(root, 'proc/device-tree/serial-number'))),
    board: await word('board_name'),
    bios: await word('bios_version'),
    biosDate: await word('bios_date'),
  })
}

async function cpuOf(root: string): Promise<Facts> {
  const text = (await textOf(join(root, 'proc/cpuinfo'))) ?? ''
  const all = (name: string): string[] =>
    [...text.matchAll(new RegExp(`^${name}\\s*:\\s*(.*)$`, 'gm'))].map(([, value = '']) => short(value))
  const packages = new Set(all('physical id')).size
  const cores = Number(all('cpu cores')[0] ?? 0)
  return present({
    model: all('model name')[0] ?? all('Model')[0],
    sockets: packages || undefined,
    cores: cores * packages || undefined,
    threads: all('processor').length || undefined,
  })
}

async function memoryOf(root: string): Promise<Facts> {
  const text = (await textOf(join(root, 'proc/meminfo'))) ?? ''
  const mib = (name: string): number | undefined => {
    const [, kib] = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text) ?? []
    return kib === undefined ? undefined : Math.round(Number(kib) / 1024)
  }
  return present({ totalMiB: mib('MemTotal'), swapMiB: mib('SwapTotal') })
}

async function diskOf(folder: string): Promise<Facts> {
  const sectors = Number((await lineOf(join(folder, 'size'))) ?? 0)
  return present({
    model: await lineOf(join(folder, 'device/model')),
    serial: await lineOf(join(folder, 'device/serial')),
    // Sectors of 512 bytes, whatever the disk has.
    sizeGB: Math.round((sectors * 512) / 1e9),
    rotating: (await lineOf(join(folder, 'queue/rotational'))) === '1',
  })
}

async function networkOf(folder: string): Promise<Facts> {
  return present({
    mac: await lineOf(join(folder, 'address')),
    driver: await linkNameOf(join(folder, 'device/driver')),
  })
}

/** The devices in a folder of /sys, by name; those without hardware behind them, as loops and bridges, are left out. */
async function devicesOf(root: string, path: string, describe: (folder: string) => Promise<Facts>): Promise<Facts> {
  const folder = join(root, path)
  const found: [string, Facts][] = []
  for (const name of (await namesIn(folder)).sort()) {
    if (found.length === devicesMax) break
    const names = await namesIn(join(folder, name))
    if (names.includes('device')) found.push([short(name), await describe(join(folder, name))])
  }
  return Object.fromEntries(found)
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch {
    return []
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    // Not there, or not for us.
    return undefined
  }
}

async function linkNameOf(path: string): Promise<string | undefined> {
  try {
    return basename(await readlink(path))
  } catch {
    return undefined
  }
}

/** What makers write where they have nothing to say. */
const empty = /^(?:to be filled by o\.?e\.?m\.?|default string|none|not specified|system serial number|-)?$/i

async function lineOf(path: string): Promise<string | undefined> {
  const line = short((await textOf(path)) ?? '')
  return empty.test(line) ? undefined : line
}

const short = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, textLengthMax)

const present = (fields: Readonly<Record<string, FactValue | undefined>>): Facts =>
  Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, FactValue] => entry[1] !== undefined))
