/**
 * One end of a bulk transfer in a process of its own, for `npm run bench -- lan`: a link of the mesh room without any disk, or the
 * plain TLS stream of Node that it is compared with. Its parent speaks to it by messages. It keeps nothing.
 *
 *   lan-end.ts link-serve|tls-serve                   tells {address}, then, asked with 'cost', {cpuSeconds, peakMiB}
 *   lan-end.ts link-fetch|tls-fetch <address> <bytes>  tells {seconds, cpuSeconds, peakMiB}
 */
import { connect, createServer, type TLSSocket } from 'node:tls'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { generateCertificate } from '@libp2p/tls/utils'
import { silentLog } from '#base/log.ts'
import { sha256 } from '#base/digest.ts'
import type { Address, LinkEvents, LinkId } from '#protocol/link.ts'
import { lanCreditBytesMax, lanRunBytes } from '#protocol/params.ts'
import { startMesh, type Mesh } from '#mesh/host.ts'

/** The length around which cuts gather. */
const chunkBytes = 32_768
const runChunks = lanRunBytes / chunkBytes
/** What a plain program would write at once. */
const writeBytes = 262_144

const tell = (message: object): boolean => process.send?.(message) ?? false

function cost(before: NodeJS.CpuUsage = { user: 0, system: 0 }): { cpuSeconds: number; peakMiB: number } {
  const { user, system } = process.cpuUsage(before)
  const peakKiB = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
  return { cpuSeconds: (user + system) / 1e6, peakMiB: peakKiB / 1024 }
}

async function openMesh(events: Partial<LinkEvents>): Promise<Mesh> {
  const nothing = (): void => {}
  const ignore: LinkEvents = {
    linkUp: nothing,
    linkDown: nothing,
    message: nothing,
    gossip: () => 'ignore',
    asked: nothing,
    seen: nothing,
  }
  const listen = ['/ip4/127.0.0.1/tcp/0' as Address]
  return startMesh({ seed: randomBytes(32), listen, topic: 'bench/head', log: silentLog }, { ...ignore, ...events })
}

async function serveLink(): Promise<void> {
  const chunk = new Uint8Array(randomBytes(chunkBytes))
  const mesh = await openMesh({
    linkUp: (link) => mesh.admit(link),
    asked: (_link, ask, run) => {
      void (async () => {
        for (let index = run.first; index < run.first + run.count; index++) await mesh.answer(ask, index, chunk)
        mesh.finish(ask)
      })()
    },
  })
  tell({ address: mesh.addresses()[0] })
}

async function fetchLink(address: string, bytes: number): Promise<void> {
  const linked = Promise.withResolvers<LinkId>()
  const mesh = await openMesh({
    linkUp: (link) => {
      mesh.admit(link)
      linked.resolve(link)
    },
  })
  await mesh.dial(address as Address)
  const link = await linked.promise
  const content = sha256(new Uint8Array())
  let came = 0
  let next = 0
  const count = Math.ceil(bytes / lanRunBytes)
  const fetcher = async (): Promise<void> => {
    while (next < count) {
      const first = next++ * runChunks
      const onChunk = (_index: number, chunk: Uint8Array): Promise<void> => {
        came += chunk.byteLength
        return Promise.resolve()
      }
      const end = await mesh.fetch(link, { content, first, count: runChunks }, onChunk, new AbortController().signal)
      if (end !== 'done') throw new TypeError(`a fetch of the bench ended with ${end}`)
    }
  }
  const [startedAt, cpuBefore] = [performance.now(), process.cpuUsage()]
  await Promise.all(Array.from({ length: lanCreditBytesMax / lanRunBytes }, fetcher))
  tell({ seconds: (performance.now() - startedAt) / 1000, bytes: came, ...cost(cpuBefore) })
  await mesh.stop()
}

async function serveTls(): Promise<void> {
  const identity = await generateCertificate(await generateKeyPair('Ed25519'))
  const piece = randomBytes(writeBytes)
  const server = createServer({ ...identity, minVersion: 'TLSv1.3' }, (socket) => {
    socket.once('data', (asked: Buffer) => void send(socket, Number(asked.toString()), piece))
  })
  server.listen(0, '127.0.0.1', () => tell({ address: String((server.address() as { port: number }).port) }))
}

async function send(socket: TLSSocket, bytes: number, piece: Uint8Array): Promise<void> {
  for (let left = bytes; left > 0; left -= piece.byteLength)
    if (!socket.write(piece.subarray(0, left))) await once(socket, 'drain')
  socket.end()
}

async function fetchTls(address: string, bytes: number): Promise<void> {
  const socket = connect({ port: Number(address), host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const [startedAt, cpuBefore] = [performance.now(), process.cpuUsage()]
  socket.write(String(bytes))
  let came = 0
  socket.on('data', (piece: Buffer) => (came += piece.byteLength))
  await once(socket, 'end')
  tell({ seconds: (performance.now() - startedAt) / 1000, bytes: came, ...cost(cpuBefore) })
}

process.on('message', () => tell(cost()))
process.on('disconnect', () => process.exit())
const [mode, address = '', bytes = ''] = process.argv.slice(2)
if (mode === 'link-serve') await serveLink()
else if (mode === 'link-fetch') await fetchLink(address, Number(bytes))
else if (mode === 'tls-serve') await serveTls()
else if (mode === 'tls-fetch') await fetchTls(address, Number(bytes))
