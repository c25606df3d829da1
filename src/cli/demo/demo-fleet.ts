/**
 * The demo's fleet: an origin, a relay and three clients in Berlin, two clients without a relay in Lyon; all real processes on
 * loopback, in one temporary folder. It makes, publishes, watches, and leaves nothing behind.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Unavailable } from '#base/errors.ts'
import { callHome } from '#node/home-call.ts'
import { joinFleet } from '#node/enrolment.ts'
import { initOrigin } from '#node/origin-setup.ts'
import type { PublishDocument } from '#node/publish.ts'
import type { TokenDocument } from '#node/token-desk.ts'
import type { FleetDocument } from '#node/status.ts'
import { buildPackage, packageFile } from './build-package.ts'
import { DemoMember } from './demo-member.ts'

const sites = [
  { name: 'berlin', relays: 1, clients: 3 },
  { name: 'lyon', relays: 0, clients: 2 },
] as const

/** Loopback only, any free port: the demo must not stand in the way of a real member on this machine. */
const listen = ['/ip4/127.0.0.1/tcp/0']
/** A megabyte, so that what crosses the line is mostly content. */
const fillerBytes = 1_048_576
export const policyName = 'demo-baseline'

export class DemoFleet {
  readonly folder: string
  readonly origin: DemoMember
  readonly members: DemoMember[] = []
  readonly #usesPretend: boolean
  #isOver = false

  private constructor(folder: string, usesPretend: boolean) {
    this.folder = folder
    this.#usesPretend = usesPretend
    this.origin = new DemoMember('origin', 'origin', join(folder, 'origin'))
  }

  static async make(usesPretend: boolean): Promise<DemoFleet> {
    return new DemoFleet(await mkdtemp(join(tmpdir(), 'grapevine-demo-')), usesPretend)
  }

  /** Starts everybody: the origin first, since tokens carry its address; then all others at once. */
  async start(): Promise<void> {
    await initOrigin({ home: this.origin.home, fleet: 'demo', site: 'origin', name: 'origin', listen })
    const addresses = await this.origin.start()
    for (const site of sites) await this.#join(site, addresses)
    this.#goOn()
    await Promise.all(this.members.map((member) => member.start()))
  }

  /** Stops what is still being made once the demo is over: it would make homes and processes that nobody removes. */
  #goOn(): void {
    if (this.#isOver)
      throw new Unavailable('DEMO_MEMBER_ENDED', { message: 'The demo was ended while it was being made.' })
  }

  /** Publishes the sample policy with a window that opens in `opensInMs`. */
  async publish(opensInMs: number): Promise<PublishDocument> {
    const policy = join(this.folder, 'policy')
    await cp(fileURLToPath(new URL('policy', import.meta.url)), policy, { recursive: true })
    await writeFile(join(policy, 'packages', packageFile), buildPackage(fillerBytes))
    const text = await readFile(join(policy, 'policy.yaml'), 'utf8')
    const opens = new Date(Date.now() + opensInMs).toISOString().slice(0, 19)
    await writeFile(
      join(policy, 'policy.yaml'),
      `${text}windows:\n  - { start: "${opens}", duration: PT1H, zone: UTC }\n`,
    )
    return (await callHome({ home: this.origin.home, command: 'publish', args: { dirs: [policy] } })) as PublishDocument
  }

  /** Looks at everybody once. */
  async look(): Promise<FleetDocument | undefined> {
    this.#goOn()
    const [fleet] = await Promise.all([
      this.origin.fleet(),
      ...[this.origin, ...this.members].map((member) => member.look()),
    ])
    return fleet
  }

  get clients(): DemoMember[] {
    return this.members.filter((member) => member.status?.role !== 'relay' && !member.name.startsWith('relay'))
  }

  /** Stops everybody, waits for what was still under way, and removes the folder. */
  async end(keep: boolean, played: Promise<unknown>): Promise<void> {
    this.#isOver = true
    const stop = (): Promise<unknown> => Promise.all([this.origin, ...this.members].map((member) => member.stop()))
    await stop()
    await played.catch(() => {})
    // What was started in that very moment.
    await stop()
    if (!keep) await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async #join(site: (typeof sites)[number], addresses: readonly string[]): Promise<void> {
    for (const role of ['relay', 'client'] as const) {
      const count = role === 'relay' ? site.relays : site.clients
      if (count === 0) continue
      const args = { site: site.name, role, labels: {}, ttlMs: 3_600_000, max: count, addresses }
      const { token } = (await callHome({ home: this.origin.home, command: 'token-create', args })) as TokenDocument
      for (let number = 1; number <= count; number++) {
        this.#goOn()
        const name = `${role}-${site.name}-${number}`
        const home = join(this.folder, name)
        const scratch = this.#usesPretend ? '/demo' : join(home, 'scratch')
        const settings = {
          facts: { scratch },
          ...(this.#usesPretend && { engine: { pretendRoot: join(home, 'scratch') } }),
        }
        await joinFleet({ home, token, listen, bootstrap: undefined, name, settings })
        this.members.push(new DemoMember(name, site.name, home))
      }
    }
  }
}
