/**
 * `node head-office.ts FOLDER PORT MARK`: a plain HTTP server of a folder, and a BitTorrent tracker (BEP 3, compact as BEP 23) at
 * `/announce`. It runs at the origin of the test bed while rivals copy, and serves nobody else. Once a peer that has everything
 * announces itself, an empty file MARK is there.
 */
import { createReadStream, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join, normalize } from 'node:path'
import { bencode } from './torrent.ts'

const peersMax = 1_000
const announceEveryS = 30

const [folder = '.', port = '0', mark = 'announced'] = process.argv.slice(2)
const peers = new Map<string, Uint8Array>()

createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://origin')
  if (url.pathname === '/announce') announce(request, url.searchParams, response)
  else serve(normalize(decodeURIComponent(url.pathname)), response)
}).listen(Number(port))

function serve(path: string, response: ServerResponse): void {
  const file = join(folder, path)
  const length = statSync(file, { throwIfNoEntry: false })?.size
  if (length === undefined) {
    response.writeHead(404).end()
    return
  }
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': length })
  createReadStream(file).pipe(response)
}

function announce(request: IncomingMessage, words: URLSearchParams, response: ServerResponse): void {
  const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const ownPort = Number(words.get('port'))
  const own = `${address}:${ownPort}`
  if (words.get('left') === '0') writeFileSync(mark, '')
  const others = [...peers].filter(([name]) => name !== own).map(([, bytes]) => bytes)
  if (peers.size < peersMax)
    peers.set(own, Buffer.from([...address.split('.').map(Number), ownPort >> 8, ownPort & 255]))
  response.end(bencode({ interval: announceEveryS, peers: Buffer.concat(others) }))
}
