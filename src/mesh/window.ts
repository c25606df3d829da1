/**
 * Fewer words about the window of a stream: yamux (8.0.3) opens it again after every frame that came, each time with a record of TLS and a packet of its
 * own, which collected and wrote more than it told. Here it is opened once half of it is used. It must never hold back what opens or resumes a stream.
 */
import type { Stream } from '@libp2p/interface'

/** What yamux's streams have beyond the interface. */
interface Windowed {
  state: number
  recvWindow: number
  recvWindowCapacity: number
  sendWindowUpdate: () => void
}

/** The state of yamux in which no flag waits to be sent with the next word. */
const established = 3

/** From now on the window of this stream is opened by halves. A stream that is not as expected stays as it is. */
export function openWindowByHalves(stream: Stream): void {
  const inner = stream as Stream & Partial<Windowed>
  if (!isWindowed(inner)) return
  const open = inner.sendWindowUpdate.bind(inner)
  inner.sendWindowUpdate = () => {
    if (inner.state !== established || inner.recvWindowCapacity * 2 <= inner.recvWindow) open()
  }
}

const isWindowed = (stream: Stream & Partial<Windowed>): stream is Stream & Windowed =>
  typeof stream.state === 'number' &&
  typeof stream.recvWindow === 'number' &&
  typeof stream.recvWindowCapacity === 'number' &&
  typeof stream.sendWindowUpdate === 'function'
