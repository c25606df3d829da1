/** `grapevine run`: the daemon. Prints `ready` and its addresses once it serves; SIGTERM and Ctrl-C end it cleanly. */
import { Daemon } from '#node/daemon.ts'
import { homeFolder } from '#node/config.ts'
import { stderrLog, type LogLevel } from '#node/log.ts'
import type { Action } from '../main.ts'

interface Options extends Record<string, unknown> {
  readonly listen?: readonly string[]
  readonly bootstrap?: readonly string[]
  readonly log?: LogLevel
}

export const action: Action<Options> = async ({ home, output }, { listen, bootstrap, log }) => {
  const level = log ?? (process.stderr.isTTY ? 'info' : 'warn')
  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>()
  // A second signal does not wait for a clean end.
  const onSignal = (signal: NodeJS.Signals): void => {
    stop(signal)
    process.once(signal, () => process.exit(128 + (signal === 'SIGINT' ? 2 : 15)))
  }
  process.once('SIGTERM', onSignal)
  process.once('SIGINT', onSignal)
  const daemon = await Daemon.start({ home: homeFolder(home), listen, bootstrap, log: stderrLog(level) })
  const addresses = daemon.addresses()
  if (output.json) output.document({ ready: true, peerId: daemon.peerId, addresses })
  else output.value(`ready ${addresses.join(' ')}`)
  const failure = await Promise.race([stopped, daemon.failed])
  await daemon.stop()
  if (typeof failure !== 'string') throw failure
  return 0
}
