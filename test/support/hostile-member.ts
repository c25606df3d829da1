/**
 * A member that harms its neighbours: the daemon of the product on a mesh that sends wrong bytes, or never answers an ask. For the test
 * bed, which starts it in place of `grapevine run`: `hostile-member.ts BEHAVIOUR --home DIR`.
 */
import { parseArgs } from 'node:util'
import { Mesh } from '#mesh/host.ts'
import { Daemon } from '#node/daemon.ts'
import { stderrLog } from '#node/log.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { home: { type: 'string' }, json: { type: 'boolean' }, log: { type: 'string' } },
})
const [behaviour] = positionals

/** What is smaller stays true, manifests and lists of chunks too: a liar that nobody believes does no harm. */
const liesFromBytes = 20_000

const answer = Object.getOwnPropertyDescriptor(Mesh.prototype, 'answer')?.value as (
  this: Mesh,
  ask: number,
  index: number,
  bytes: Uint8Array,
) => Promise<void>
Mesh.prototype.answer = async function (this: Mesh, ask: number, index: number, bytes: Uint8Array) {
  if (bytes.byteLength < liesFromBytes) return answer.call(this, ask, index, bytes)
  if (behaviour === 'never_answers') return new Promise<never>(() => {})
  const wrong = Uint8Array.from(bytes)
  wrong[0] = (wrong[0] ?? 0) ^ 0xff
  return answer.call(this, ask, index, wrong)
}

const daemon = await Daemon.start({ home: values.home ?? '', log: stderrLog('info') })
console.log(JSON.stringify({ ready: true, peerId: daemon.peerId, addresses: daemon.addresses() }))
process.once('SIGTERM', () => void daemon.stop().then(() => process.exit(0)))
