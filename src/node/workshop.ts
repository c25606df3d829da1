/**
 * Where bundles are prepared and applied. Prepare: unpacked, rendered for this device, compiled for the engine that is installed, and
 * passed by that engine's own syntax check; packages that it does not carry are downloaded. What it made is never changed afterwards.
 */
import { join } from 'node:path'
import { GrapevineError, Negative, messageOf } from '#base/errors.ts'
import type { Digest } from '#base/digest.ts'
import type { PrepareOutcome } from '#agent/input.ts'
import type { ObserveOutcome } from '#agent/looked-bundle.ts'
import type { ApplyOutcome } from '#agent/outcome.ts'
import { watchOf } from '#agent/watch.ts'
import { manifestBytesMax, parseManifest } from '#content/manifest.ts'
import { readIfThere } from '#disk/atomic.ts'
import type { FileStore } from '#disk/file-store.ts'
import type { Home } from '#disk/home.ts'
import { readTree, setCurrent, unpackTree, writeTree } from '#disk/tree.ts'
import type { Engine, EngineRun } from '#engines/engine.ts'
import { fetchPackages } from '#engines/fetch-packages.ts'
import { attributed } from '#engines/attribution.ts'
import { chooseEngine, installedEngine } from '#engines/installed.ts'
import { checkMonitor, checkMonitors } from '#engines/monitor.ts'
import { boundedResults } from '#facts/bounded-results.ts'
import type { Facts } from '#facts/inventory.ts'
import { resourceListFile } from '#policy/compile/resource-list.ts'
import type { MonitorResult } from '#facts/monitor.ts'
import type { Policy } from '#policy/model.ts'
import { policyFiles } from './check.ts'
import { outlineFile, outlineOf, readOutline, type Outline } from './outline.ts'

export type ApplySignals = Required<Pick<EngineRun, 'signal' | 'closing'>>

export interface WorkshopInit {
  readonly home: Home
  readonly store: FileStore
  readonly engines: readonly Engine[]
  readonly facts: () => Facts
  /** Of the device's membership: `labels.*` in templates. */
  readonly labels: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export class Workshop {
  readonly #init: WorkshopInit
  readonly #atWork = new Set<string>()

  constructor(init: WorkshopInit) {
    this.#init = init
  }

  /** Whether a version of this bundle is being prepared or applied. */
  isAtWork(name: string): boolean {
    return this.#atWork.has(name)
  }

  /** Never throws for what can be wrong with a bundle or this machine: that is the outcome. */
  prepare(name: string, version: number, manifest: Digest, signal: AbortSignal): Promise<PrepareOutcome> {
    return this.#working(name, () => this.#prepare(name, version, manifest, signal))
  }

  /** `signal` kills what runs, `closing` lets it finish its resource. */
  apply(name: string, version: number, signals: ApplySignals): Promise<ApplyOutcome> {
    return this.#working(name, () => this.#apply(name, version, signals))
  }

  /** Looks for drift, changing nothing. Never throws for what can be wrong with a bundle or this machine: that is the outcome. */
  observe(name: string, version: number, signal: AbortSignal): Promise<ObserveOutcome> {
    return this.#working(name, () => this.#observe(name, version, signal))
  }

  /** Makes one check of a prepared bundle. What cannot be made is `unknown`. */
  async check(name: string, version: number, monitor: string, signal: AbortSignal): Promise<MonitorResult> {
    try {
      const { monitors } = await this.#outline(this.#init.home.bundle(name, version))
      const found = monitors.find((candidate) => candidate.name === monitor)
      if (found) return await checkMonitor(found, { now: this.#init.now(), signal })
      return { name: monitor, outcome: 'unknown', said: 'the prepared bundle has no such monitor' }
    } catch (error) {
      if (!(error instanceof GrapevineError)) throw error
      return { name: monitor, outcome: 'unknown', said: error.code }
    }
  }

  /** All monitors of a prepared bundle once, now, each within `timeoutMs`. Negative `BUNDLE_UNPREPARED`, `BUNDLE_NOT_UNDERSTOOD` where it cannot be read. */
  async checkMonitors(
    name: string,
    version: number,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<MonitorResult[]> {
    const { monitors } = await this.#outline(this.#init.home.bundle(name, version))
    const hurried = monitors.map((monitor) => ({ ...monitor, timeoutMs: Math.min(monitor.timeoutMs, timeoutMs) }))
    return checkMonitors(hurried, { now: this.#init.now(), signal })
  }

  /** Where a prepared bundle lies compiled. Negative `BUNDLE_UNPREPARED` or `BUNDLE_NOT_UNDERSTOOD` where it is none. */
  async opened(name: string, version: number): Promise<{ directory: string }> {
    const folder = this.#init.home.bundle(name, version)
    const policy = await readPolicy(folder)
    const engine = await chooseEngine(policy.engine, this.#init.engines)
    return { directory: join(folder, 'compiled', engine?.name ?? 'none') }
  }

  async #working<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.#atWork.add(name)
    try {
      return await work()
    } finally {
      this.#atWork.delete(name)
    }
  }

  async #prepare(name: string, version: number, manifest: Digest, signal: AbortSignal): Promise<PrepareOutcome> {
    try {
      const { home } = this.#init
      const folder = home.bundle(name, version)
      await this.#unpack(manifest, folder)
      const policy = await readPolicy(folder)
      const engine = await chooseEngine(policy.engine, this.#init.engines)
      if (engine) await this.#compile(policy, folder, engine, signal)
      const watch = watchOf(policy)
      await setCurrent(home.bundle(name), version)
      if (!engine) return { type: 'engine-missing', reason: `no engine: ${policy.engine} is not installed here` }
      const isWatched = watch.drift !== undefined || watch.monitors.length > 0
      return { type: 'prepared', engine: engine.name, ...(isWatched && { watch }) }
    } catch (error) {
      return { type: 'failed', reason: reasonOf(error) }
    }
  }

  async #apply(name: string, version: number, signals: ApplySignals): Promise<ApplyOutcome> {
    const folder = this.#init.home.bundle(name, version)
    let policy: Outline
    let engine: Engine | undefined
    try {
      policy = await this.#outline(folder)
      engine = await chooseEngine(policy.engine, this.#init.engines)
      if (engine && !(await isCompiled(folder, engine)))
        await this.#compile(await readPolicy(folder), folder, engine, signals.signal)
    } catch (error) {
      return { type: 'failed', reason: reasonOf(error), unprepared: true }
    }
    if (!engine)
      return { type: 'failed', reason: `no engine: ${policy.engine} is no longer installed`, unprepared: true }
    try {
      return {
        type: 'results',
        results: boundedResults(await engine.apply({ ...this.#run(policy, folder, engine), ...signals })),
      }
    } catch (error) {
      return { type: 'failed', reason: reasonOf(error) }
    }
  }

  async #unpack(digest: Digest, folder: string): Promise<void> {
    const bytes = await this.#init.store.readWhole(digest, manifestBytesMax)
    if (!bytes)
      throw new Negative('BUNDLE_UNPREPARED', { message: 'The manifest of the bundle is not here.', where: folder })
    await unpackTree(parseManifest(bytes), this.#init.store, folder)
  }

  async #compile(policy: Policy, folder: string, engine: Engine, signal: AbortSignal): Promise<void> {
    // Loaded at the first prepare: they cost more memory than the rest of the agent, and an idle member needs neither.
    const { compilerFor } = await import('#policy/compile/compile.ts')
    const { renderMonitors, renderPolicy } = await import('#policy/render.ts')
    const { touchedList } = await import('#policy/touched.ts')
    const { fetchScripts } = await import('#policy/compile/script.ts')
    const files = await policyFiles(folder, await readTree(folder))
    const input = {
      policy,
      bundle: folder,
      facts: this.#init.facts(),
      labels: this.#init.labels,
      text: (path: string) => files.text(path) ?? '',
    }
    const compiler = compilerFor(engine.name)
    if (!compiler)
      throw new Negative('BUNDLE_UNPREPARED', { message: `There is no compiler for ${engine.name}.`, where: folder })
    const run = this.#run(policy, folder, engine)
    const rendered = renderPolicy(input)
    // Nothing is installed by it, so nothing has to be downloaded for it.
    const fetching = engine.name === 'pretend' ? [] : fetchScripts(rendered)
    const outline = outlineFile(policy, renderMonitors(input))
    await writeTree(run.directory, [...compiler.compile(rendered), outline, touchedList(rendered), ...fetching])
    await engine.check(run)
    await fetchPackages(run.directory, { signal })
  }

  async #observe(name: string, version: number, signal: AbortSignal): Promise<ObserveOutcome> {
    try {
      const folder = this.#init.home.bundle(name, version)
      const outline = await this.#outline(folder)
      const engine = await installedEngine(outline.engine, this.#init.engines)
      if (!(await isCompiled(folder, engine))) await this.#compile(await readPolicy(folder), folder, engine, signal)
      const findings = await engine.observe({ ...this.#run(outline, folder, engine), signal }, this.#init.now())
      // What a pretend engine looks at is not this machine.
      return { type: 'findings', findings: engine.name === 'pretend' ? findings : await attributed(findings) }
    } catch (error) {
      if (!(error instanceof GrapevineError)) throw error
      const { code, message, next } = error
      return { type: 'failed', code, reason: message, ...(next !== undefined && { next }) }
    }
  }

  async #outline(folder: string): Promise<Outline> {
    for (const { name } of this.#init.engines) {
      const outline = await readOutline(join(folder, 'compiled', name))
      if (outline) return outline
    }
    return outlineOf(await readPolicy(folder))
  }

  #run(policy: Pick<Outline, 'name' | 'resources'>, folder: string, engine: Engine): EngineRun {
    return {
      directory: join(folder, 'compiled', engine.name),
      bundle: folder,
      name: policy.name,
      resources: policy.resources.map(({ id, kind }) => ({ id, kind })),
      timeoutMs: this.#init.timeoutMs,
    }
  }
}

/** Not where another engine was installed, or removed, since it was prepared. */
const isCompiled = async (folder: string, engine: Engine): Promise<boolean> =>
  (await readIfThere(join(folder, 'compiled', engine.name, resourceListFile))) !== undefined

async function readPolicy(folder: string): Promise<Policy> {
  const bytes = await readIfThere(join(folder, 'policy.yaml'))
  if (!bytes) throw new Negative('BUNDLE_UNPREPARED', { message: 'The prepared bundle is gone.', where: folder })
  const { parsePolicy } = await import('#policy/parse.ts')
  const { policy, problems } = parsePolicy(
    new TextDecoder().decode(bytes),
    await policyFiles(folder, await readTree(folder)),
  )
  if (policy) return policy
  // It passed `check` at the origin, so the origin runs a newer program than we do.
  const [first] = problems
  throw new Negative('BUNDLE_NOT_UNDERSTOOD', {
    message: `This program does not understand the policy: ${first?.message ?? 'unknown'}`,
    where: folder,
    next: 'Update grapevine on this machine.',
  })
}

const reasonOf = (error: unknown): string =>
  error instanceof GrapevineError ? `${error.code}: ${error.message}` : messageOf(error)
