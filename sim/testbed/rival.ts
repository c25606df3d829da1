/**
 * The tools that copy the same bytes over the same lines, so that our numbers stand beside others: plain HTTP, an rsync daemon, and
 * BitTorrent with local discovery. Each has the settings that serve it best here; none has a server at the site.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { originIp } from './network.ts'
import { torrentOf } from './torrent.ts'

/** Where a process of a tool works. */
export interface Ground {
  /** Its own folder, where it runs. What it copies comes to rest in `copy` below it; at the origin the content is there. */
  readonly own: string
  /** The origin's. */
  readonly office: string
  /** Paths below `copy`. */
  readonly files: readonly string[]
}

export interface Rival {
  readonly name: string
  /** What has to be installed. */
  readonly program: string
  /** One line on how it is set. */
  readonly setting: string
  /** What runs at the origin, ready once it listens at the port, and the file `mark` is there where one is named. */
  readonly servers: (ground: Ground) => readonly Server[]
  readonly client: (ground: Ground) => readonly string[]
  /** A file in its own folder that tells that the copy is complete; a tool without one ends itself then. */
  readonly completeMark?: string
}

interface Server {
  readonly words: readonly string[]
  readonly port: number
  readonly mark?: string
}

const httpPort = 8_080
const rsyncPort = 8_730
const torrentPort = 6_881
const seedMark = 'announced'
const completeMark = 'complete'

const headOffice = ({ own }: Ground): Server => ({
  words: [
    process.execPath,
    fileURLToPath(new URL('head-office.ts', import.meta.url)),
    join(own, 'copy'),
    String(httpPort),
    join(own, seedMark),
  ],
  port: httpPort,
})

const http: Rival = {
  name: 'http',
  program: 'curl',
  setting: 'node:http at the origin, one curl and one connection a client',
  servers: (ground) => [headOffice(ground)],
  client: ({ own, files }) => {
    const config = join(own, 'curl.txt')
    writeFileSync(
      config,
      files
        .map((file) => `url = "http://${originIp}:${httpPort}/${file}"\noutput = "${join(own, 'copy', file)}"\n`)
        .join(''),
    )
    return ['curl', '--disable', '--silent', '--show-error', '--fail', '--create-dirs', '--config', config]
  },
}

const rsync: Rival = {
  name: 'rsync',
  program: 'rsync',
  setting: 'a daemon at the origin, rsync -a',
  servers: ({ own }) => {
    const config = join(own, 'rsyncd.conf')
    const lines = [
      'uid = root',
      'gid = root',
      'use chroot = no',
      'reverse lookup = no',
      `lock file = ${own}/rsync.lock`,
    ]
    writeFileSync(config, [...lines, '[copy]', `path = ${join(own, 'copy')}`, 'read only = yes', ''].join('\n'))
    const words = ['rsync', '--daemon', '--no-detach', `--config=${config}`, `--port=${rsyncPort}`]
    return [{ words, port: rsyncPort }]
  },
  client: ({ own }) => ['rsync', '-a', `rsync://${originIp}:${rsyncPort}/copy/`, `${join(own, 'copy')}/`],
}

/** `--bt-max-peers=0` is no limit, yet such a seed never dials (aria2 1.36); the default of 55 does. */
const aria2Words = (ground: Ground): readonly string[] => {
  const hook = join(ground.office, 'complete.sh')
  writeFileSync(hook, `#!/bin/sh\n: > ${completeMark}\n`, { mode: 0o755 })
  return [
    'aria2c',
    '--no-conf=true',
    '--quiet=true',
    `--dir=${ground.own}`,
    '--enable-dht=false',
    '--enable-dht6=false',
    '--bt-enable-lpd=true',
    '--enable-peer-exchange=true',
    '--check-integrity=true',
    '--seed-ratio=0.0',
    '--file-allocation=none',
    `--listen-port=${torrentPort}`,
    `--on-bt-download-complete=${hook}`,
    join(ground.office, 'copy.torrent'),
  ]
}

const aria2: Rival = {
  name: 'aria2',
  program: 'aria2c',
  setting:
    'BitTorrent: a seed and a tracker at the origin, local discovery and peer exchange on, no DHT, pieces of 128 KiB',
  servers: (ground) => {
    const torrent = torrentOf(join(ground.own, 'copy'), {
      name: 'copy',
      files: ground.files,
      tracker: `http://${originIp}:${httpPort}/announce`,
    })
    writeFileSync(join(ground.own, 'copy.torrent'), torrent)
    return [headOffice(ground), { words: aria2Words(ground), port: torrentPort, mark: join(ground.own, seedMark) }]
  },
  client: aria2Words,
  completeMark,
}

export const rivals: readonly Rival[] = [http, rsync, aria2]
