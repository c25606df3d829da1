/**
 * A member that harms its neighbours: the daemon of the product over a store that reads wrong bytes, or never ends to read. For the test
 * bed, which starts it in place of `grapevine run`: `hostile-member.ts BEHAVIOUR --home DIR`.
 */
import { parseArgs } from 'node:util'
import type { Digest } from '#base/digest.ts'
import { FileStore } from '#disk/file-store.ts'
import { Daemon } from '#node/daemon.ts'
import { stderrLog } from '#node/log.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { home: { type: 'string' }, json: { type: 'boolean' }, log: { type: 'string' } },
})
const [behaviour] = positionals

const read = Object.getOwnPropertyDescriptor(FileStore.prototype, 'read')?.value as (
  this: FileStore,
  content: Digest,
  index: number,
) => Promise<Uint8Array | undefined>
FileStore.prototype.read = async function (this: FileStore, content: Digest, index: number) {
  const bytes = await read.call(this, content, index)
  // Manifests and lists are left whole, or it would never learn what there is to harm.
  if (!bytes || bytes.byteLength < 4_096) return bytes
  if (behaviour === 'never_answers') return new Promise<never>(() => {})
  const wrong = Uint8Array.from(bytes)
  wrong[0] = (wrong[0] ?? 0) ^ 0xff
  return wrong
}

const daemon = await Daemon.start({ home: values.home ?? '', log: stderrLog('info') })
console.log(JSON.stringify({ ready: true, peerId: daemon.peerId, addresses: daemon.addresses() }))
process.once('SIGTERM', () => void daemon.stop().then(() => process.exit(0)))
