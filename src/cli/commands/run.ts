/** `grapevine run`: the daemon. Prints `ready` and its addresses once it serves; SIGTERM, Ctrl-C and a closed terminal end it cleanly. */
import { constants } from 'node:os'
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
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, onSignal)
  // Started by another program over a channel, such as the demo: when that is gone, nobody else will end us.
  if (process.connected) process.once('disconnect', () => stop('disconnect'))
  // The channel alone is no reason to live on, such as after a start that failed.
  process.channel?.unref()
  const daemon = await Daemon.start({ home: homeFolder(home), listen, bootstrap, log: stderrLog(level) })
  const addresses = daemon.addresses()
  if (output.json) output.document({ ready: true, peerId: daemon.peerId, addresses })
  else output.value(`ready ${addresses.join(' ')}`)
  const failure = await Promise.race([stopped, daemon.failed, daemon.left.then(() => 'left')])
  await daemon.stop()
  if (typeof failure !== 'string') throw failure
  // Everything is closed and written; what is left are timers of libp2p, which would hold the process for another 2 s.
  process.exit(0)
}
