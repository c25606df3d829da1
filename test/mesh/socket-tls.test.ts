/** The handshake on the socket itself: what @libp2p/tls would do, whoever the other side is and however its bytes arrive. */
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { generateCertificate } from '@libp2p/tls/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { concatBytes, utf8 } from '#base/bytes.ts'
import { Parties } from './parties.ts'
import { Stranger } from './stranger.ts'

const parties = new Parties()
afterEach(() => parties.stop())

/** The choice of TLS before the handshake, as libp2p words it. */
const choice = concatBytes(utf8('\u0013/multistream/1.0.0\n'), utf8('\u000b/tls/1.0.0\n'))

describe('a handshake', () => {
  it('with the TLS of libp2p itself succeeds both ways', async () => {
    const member = await parties.start()
    const stranger = parties.keep(await Stranger.start('other'))
    const connection = await stranger.node.dial(multiaddr(member.address))
    expect(connection.encryption).toBe('/tls/1.0.0')
    await connection.close()
    // It does not speak our protocol: that was asked after the handshake, on a stream.
    await expect(member.links.dial(stranger.address)).rejects.toThrow(/protocol/i)
  })

  it('loses no byte that came together with what was before it', async () => {
    const member = await parties.start()
    const raw = connectTcp(Number(/tcp\/(\d+)/.exec(member.address)?.[1]), '127.0.0.1')
    let isFirst = true
    let unread = choice.byteLength
    const duplex = new Duplex({
      read() {},
      write(bytes: Buffer, _encoding, done) {
        raw.write(isFirst ? concatBytes(choice, bytes) : bytes, () => done())
        isFirst = false
      },
    })
    raw.on('data', (bytes) => {
      const part = bytes.subarray(unread)
      unread = Math.max(0, unread - bytes.byteLength)
      if (part.byteLength > 0) duplex.push(part)
    })
    const identity = await generateCertificate(await generateKeyPair('Ed25519'))
    const ALPNProtocols = ['/yamux/1.0.0']
    const socket = connect({ ...identity, socket: duplex, rejectUnauthorized: false, ALPNProtocols })
    await once(socket, 'secureConnect')
    expect(socket.alpnProtocol).toBe('/yamux/1.0.0')
    raw.destroy()
  })

  it('of somebody without a certificate ends the connection', async () => {
    const member = await parties.start()
    const raw = connectTcp(Number(/tcp\/(\d+)/.exec(member.address)?.[1]), '127.0.0.1')
    raw.write(choice)
    for (let read = 0; read < choice.byteLength;) {
      const [bytes] = (await once(raw, 'data')) as [Buffer]
      read += bytes.byteLength
    }
    raw.removeAllListeners('data')
    const socket = connect({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ['/yamux/1.0.0'] })
    socket.on('error', () => {})
    socket.resume()
    await once(socket, 'close')
    expect(member.events.ups).toEqual([])
  })
})
