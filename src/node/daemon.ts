/**
 * The daemon of any member: a session with a network, a clock and a control socket. `start` resolves when it serves; `stop` says
 * good-bye to the neighbours and leaves a folder from which the next start goes on.
 */
import { sha256 } from '#base/digest.ts'
import { fromHex, utf8 } from '#base/bytes.ts'
import { codeOf, Misconfigured } from '#base/errors.ts'
import type { Log } from '#base/log.ts'
import { endLeftRuns } from '#engines/left-runs.ts'
import { startMesh, type Mesh } from '#mesh/host.ts'
import type { Address } from '#protocol/link.ts'
import { heartbeat } from '#trust/repository.ts'
import { Alarm, realTime } from './clock.ts'
import { commands, isCommand } from './commands.ts'
import { ControlServer } from './control-server.ts'
import { findFacts } from './device-facts.ts'
import { Session } from './session.ts'

export interface DaemonInit {
  readonly home: string
  /** Instead of the configuration's, for this run. */
  readonly listen?: readonly string[] | undefined
  readonly bootstrap?: readonly string[] | undefined
  readonly log: Log
}

/** The timestamp is signed anew this often, so that silence can be told from "nothing new" (trust.md §5). */
const heartbeatMs = 15 * 60_000
/** What the ledger counted since is lost where the machine loses power. */
const ledgerMs = 60_000
/** What is no longer needed stays this much longer at most. */
const sweepMs = 3_600_000

export class Daemon {
  readonly #session: Session
  readonly #mesh: Mesh
  readonly #alarm: Alarm
  readonly #control: ControlServer
  readonly #pulses: readonly (NodeJS.Timeout | undefined)[]
  /** Resolves with our own mistake, if one happens: the process must end. */
  readonly failed: Promise<unknown>
  /** Resolves when this member leaves the fleet: the process must end. */
  readonly left: Promise<void>

  private constructor(parts: {
    session: Session
    mesh: Mesh
    alarm: Alarm
    control: ControlServer
    pulses: readonly (NodeJS.Timeout | undefined)[]
    failed: Promise<unknown>
    left: Promise<void>
  }) {
    this.#session = parts.session
    this.#mesh = parts.mesh
    this.#alarm = parts.alarm
    this.#control = parts.control
    this.#pulses = parts.pulses
    this.failed = parts.failed
    this.left = parts.left
  }

  static async start({ home, listen, bootstrap, log }: DaemonInit): Promise<Daemon> {
    const session = await Session.open(home, log)
    const { promise: failed, resolve: fail } = Promise.withResolvers<unknown>()
    const { promise: left, resolve: leave } = Promise.withResolvers<void>()
    const alarm: Alarm = new Alarm(session.clock, () => session.feed({ type: 'wake' }))
    try {
      session.onFeed(() => alarm.set(session.member.nextWake()), fail)
      session.onLeave(leave)
      await endLeftRuns(session.home.bundles)
      await session.load()
      const mesh = await startMesh(meshOptions(session, listen, log), session.effects.events())
      session.effects.attach(mesh)
      session.connected(mesh.addresses(), () => mesh.lanState())
      const control = await ControlServer.listen(
        session.home.controlSocket,
        (command, args, progress) => {
          if (isCommand(command)) return commands[command](session, args, progress)
          throw new Misconfigured('CONTROL_COMMAND_UNKNOWN', {
            message: `The daemon knows no command "${command}".`,
            next: 'Restart the daemon: it runs an older program than the command.',
          })
        },
        log,
      )
      session.feed({ type: 'started', addresses: mesh.addresses(), bootstrap: (bootstrap ?? []) as Address[] })
      const sweep = (): void => void sweepDisk(session).catch(fail)
      // After `ready`: nothing waits for facts but what selects by them, and the first report.
      findFacts(session).then(sweep, fail)
      const pulses = [heartbeatOf(session), ledgerPulse(session, log), setInterval(sweep, sweepMs).unref()]
      return new Daemon({ session, mesh, alarm, control, pulses, failed, left })
    } catch (error) {
      alarm.stop()
      await session.close()
      throw error
    }
  }

  get peerId(): string {
    return this.#session.member.protocol.self.peer
  }

  addresses(): readonly string[] {
    return this.#mesh.addresses()
  }

  /** Ends cleanly, in well under 5 s: engines are killed, what was begun on disk is finished. */
  async stop(): Promise<void> {
    for (const pulse of this.#pulses) clearInterval(pulse)
    this.#session.feed({ type: 'stopping' })
    await this.#control.close()
    await this.#mesh.stop()
    await this.#session.close()
    this.#alarm.stop()
  }
}

function meshOptions(
  session: Session,
  listen: readonly string[] | undefined,
  log: Log,
): Parameters<typeof startMesh>[0] {
  const { config, identity, member } = session
  const { meshId } = identity.facts
  const { site } = member.protocol.self.membership
  return {
    seed: identity.device.seed,
    listen: (listen ?? config.listen) as Address[],
    topic: `grapevine/${meshId.slice(0, 16)}/head`,
    // Derived, so that other fleets and other sites on one LAN neither hear nor are heard (protocol.md §5.5a).
    ...(config.lan.discovery && { lan: { tag: lanTag(meshId, site), port: config.lan.port } }),
    log,
  }
}

const lanTag = (meshId: string, site: string): Uint8Array =>
  (fromHex(sha256(utf8(`grapevine lan ${meshId} ${site}`))) ?? new Uint8Array()).slice(0, 16)

/** What cannot be removed now is removed later; only our own mistakes are thrown. */
async function sweepDisk(session: Session): Promise<void> {
  try {
    await session.sweep()
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    session.log.error('disk.not-swept', { code: codeOf(error), error })
  }
}

/** The origin's heartbeat; nobody else can sign one. */
function heartbeatOf(session: Session): NodeJS.Timeout | undefined {
  const { set, membership } = session.member.protocol.self
  if (membership.role !== 'origin') return undefined
  const { repository } = session.originPart()
  const beat = (): void => {
    const pack = heartbeat({ previous: set.state(), keys: repository, now: realTime() })
    session.feed({ type: 'metadata', pack })
  }
  return setInterval(beat, heartbeatMs).unref()
}

/** Keeps the ledger now and then, where anything was entered. */
function ledgerPulse(session: Session, log: Log): NodeJS.Timeout {
  const save = (): void =>
    void session.ledgerBook.save().catch((error: unknown) => log.warn('ledger.unsaved', { error }))
  return setInterval(save, ledgerMs).unref()
}
