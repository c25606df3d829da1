/**
 * The members of a scenario as real processes: homes made by the same commands that an admin types, all below one temporary folder.
 * A token for each role of each site; what runs, runs in its own namespace.
 */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { assert } from '#base/assert.ts'
import { Random } from '#base/random.ts'
import { nodesOf, type BundlePlan, type Group, type Scenario } from '../scenario.ts'
import { BedMember } from './member.ts'
import { isRunning, ownerOf } from './namespaces.ts'
import { originAddress, type BedNetwork } from './network.ts'
import { revise, writePolicy, type Revision } from './policy-folder.ts'

/** Two cores make two homes at a time. */
const homesAtOnce = 2

export interface FleetNode {
  readonly member: BedMember
  readonly site: string
  readonly group: Group
  /** Its site trades with others. */
  readonly trades: boolean
  readonly isHostile: boolean
}

export class BedFleet {
  readonly folder: string
  readonly origin: BedMember
  readonly nodes: readonly FleetNode[]
  readonly #random: Random

  /** A folder and nothing in it; `make` fills it. */
  constructor(scenario: Scenario, network: BedNetwork) {
    this.folder = mkdtempSync(join(tmpdir(), `gvbed-${process.pid}-`))
    this.#random = new Random(`testbed ${scenario.general.seed ?? 1}`)
    for (const name of ['homes', 'logs', 'policies', 'no-engine']) mkdirSync(join(this.folder, name))
    const [origin] = scenario.origins
    assert(origin !== undefined, 'a scenario has an origin')
    this.origin = new BedMember({ name: origin.id, enter: network.enter(origin.id), folder: this.folder })
    const hostile = new Map(
      (scenario.faults ?? []).flatMap((fault) => (fault.kind === 'byzantine' ? [[fault.node, fault.behaviour]] : [])),
    )
    this.nodes = scenario.sites.flatMap((site) =>
      nodesOf(site).map(({ name, group }) => {
        const behaviour = hostile.get(name)
        const member = new BedMember({ name, enter: network.enter(name), folder: this.folder, behaviour })
        return { member, site: site.id, trades: site.trade, group, isHostile: behaviour !== undefined }
      }),
    )
  }

  /** Makes the home of everybody. */
  async make(): Promise<void> {
    await this.origin.run('init', '--fleet', 'bed', '--name', 'origin')
    const waiting = this.nodes.map((node) => async (): Promise<void> => {
      const token = await this.#token(node.site, node.group.role)
      await node.member.run('join', token, '--name', node.member.name.replaceAll('/', '-'))
      await node.member.pretend()
      if (node.group.role === 'relay' && node.trades) await node.member.trade()
    })
    await Promise.all(
      Array.from({ length: homesAtOnce }, async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) await next()
      }),
    )
  }

  /** Publishes the first version of a bundle; the origin may run or not. */
  async publish(plan: BundlePlan): Promise<void> {
    writePolicy(this.#policy(plan), plan, this.#random.stream(plan.id))
    await this.origin.run('publish', this.#policy(plan))
  }

  /** Publishes the next version of a bundle; the bytes that are new in it. */
  async revise(plan: BundlePlan, revision: Revision, version: number): Promise<number> {
    const fresh = revise(this.#policy(plan), plan, revision, this.#random.stream(`${plan.id} ${version}`))
    await this.origin.run('publish', this.#policy(plan))
    return fresh
  }

  /** The member of that name: `site/group/index`, or the origin's. */
  member(name: string): BedMember {
    const found = [this.origin, ...this.nodes.map((node) => node.member)].find((member) => member.name === name)
    assert(found !== undefined, `the node ${name} is in the scenario`)
    return found
  }

  /** Ends everybody and removes their folder; where it is kept, the place where it is found then. */
  async remove({ keep = false }: { keep?: boolean } = {}): Promise<string | undefined> {
    const members = [this.origin, ...this.nodes.map((node) => node.member)]
    // Where somebody wants to look at what they left, they may end properly, and write what they write at an end.
    await Promise.all(members.map((member) => (keep ? member.stop() : member.kill())))
    if (!keep) {
      rmSync(this.folder, { recursive: true, force: true })
      return undefined
    }
    // Under another name, so that the next run does not take it for a leftover.
    const place = join(dirname(this.folder), `kept-${basename(this.folder)}`)
    renameSync(this.folder, place)
    return place
  }

  /** Removes folders of runs that were killed. */
  static removeLeftovers(): string[] {
    const left = readdirSync(tmpdir()).filter((name) => {
      const owner = ownerOf(name)
      return owner !== undefined && owner !== process.pid && !isRunning(owner)
    })
    for (const name of left) rmSync(join(tmpdir(), name), { recursive: true, force: true })
    return left
  }

  readonly #tokens = new Map<string, Promise<string>>()

  #token(site: string, role: Group['role']): Promise<string> {
    const key = `${site} ${role}`
    const known = this.#tokens.get(key)
    if (known) return known
    const words = ['--site', site, '--role', role, '--max', '250', '--address', originAddress]
    // One at a time: each command opens the origin's home for itself.
    const before = [...this.#tokens.values()].at(-1)
    const made = (before ?? Promise.resolve(''))
      .then(() => this.origin.run('token', 'create', ...words))
      .then((answer) => String(answer['token']))
    this.#tokens.set(key, made)
    return made
  }

  #policy(plan: BundlePlan): string {
    return join(this.folder, 'policies', plan.id)
  }
}
