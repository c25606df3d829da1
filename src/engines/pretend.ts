/**
 * The *pretend* engine: files, lines and directories below a scratch folder, with no tool at all. Only the demo, on a machine
 * without cf-agent, and tests use it; it must never be offered where a policy is meant to be applied. What it cannot pretend it skips.
 */
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, messageOf, Negative, Unavailable } from '#base/errors.ts'
import type { Finding } from '#facts/finding.ts'
import { windowClosed, type ResourceResult } from '#facts/report.ts'
import { pretendFile } from '#policy/compile/pretend.ts'
import { resourceListFile, type ResourceList } from '#policy/compile/resource-list.ts'
import type { LineResource, RenderedResource } from '#policy/model.ts'
import type { Engine, EngineRun } from './engine.ts'

type Outcome = Pick<ResourceResult, 'outcome' | 'reason'>

export class PretendEngine implements Engine {
  readonly name = 'pretend'
  readonly #root: string

  /** `root` stands for `/`. */
  constructor(root: string) {
    this.#root = root
  }

  version(): Promise<string | undefined> {
    return Promise.resolve('scratch folder')
  }

  async check(run: EngineRun): Promise<void> {
    try {
      JSON.parse(await readFile(join(run.directory, pretendFile), 'utf8'))
    } catch (cause) {
      throw new Negative('ENGINE_SYNTAX', {
        message: `The compiled policy cannot be read: ${messageOf(cause)}`,
        where: join(run.directory, pretendFile),
        next: 'Publish the policy again.',
        cause,
      })
    }
  }

  async apply(run: EngineRun): Promise<ResourceResult[]> {
    const resources = await readCompiled<RenderedResource[]>(run, pretendFile)
    const results: ResourceResult[] = []
    for (const { id, kind } of run.resources) {
      if (run.signal?.aborted) throw stopped(run)
      if (run.closing?.aborted) {
        results.push({ id, kind, outcome: 'skipped', reason: windowClosed })
        continue
      }
      const resource = resources.find((candidate) => candidate.id === id)
      results.push({ id, kind, ...(resource ? await this.#outcome(resource, true) : notCompiled) })
    }
    return results
  }

  async observe(run: EngineRun, now: number): Promise<Finding[]> {
    const resources = await readCompiled<RenderedResource[]>(run, pretendFile)
    const list = await readCompiled<ResourceList>(run, resourceListFile)
    const findings: Finding[] = []
    for (const [index, resource] of resources.entries()) {
      const { outcome, reason } = await this.#outcome(resource, false)
      if (outcome === 'kept' || outcome === 'skipped') continue
      const place = 'path' in resource ? { path: resource.path } : {}
      const wanted = list.resources[index]?.wanted ?? resource.kind
      findings.push({
        bundle: run.name,
        resource: resource.id,
        ...place,
        wanted,
        seen: reason ?? 'different',
        since: now,
      })
    }
    return findings
  }

  /** Without `act` nothing is changed; `repaired` then means that it would be, and `reason` what was seen. */
  async #outcome(resource: RenderedResource, act: boolean): Promise<Outcome> {
    try {
      const seen = await this.#converge(resource, act)
      if (seen === undefined) return { outcome: 'kept' }
      if (seen === skipped) return { outcome: 'skipped', reason: `the pretend engine does no ${resource.kind}` }
      return act ? { outcome: 'repaired' } : { outcome: 'repaired', reason: seen }
    } catch (error) {
      return { outcome: 'failed', reason: messageOf(error).slice(0, 500) }
    }
  }

  /** What was not as wanted, or undefined. */
  async #converge(resource: RenderedResource, act: boolean): Promise<string | undefined> {
    switch (resource.kind) {
      case 'file':
        return this.#file(resource, act)
      case 'line':
        return this.#line(resource, act)
      case 'directory': {
        const path = join(this.#root, resource.path)
        const seen = (await modeOf(path)) === undefined ? 'missing' : undefined
        // Over a file in its place mkdir fails, as it should.
        if (act || seen === undefined) await mkdir(path, { recursive: true, mode: 0o755 })
        const mode = await this.#mode(path, resource.mode, act)
        return seen ?? mode
      }
      default:
        return skipped
    }
  }

  async #file(resource: Extract<RenderedResource, { kind: 'file' }>, act: boolean): Promise<string | undefined> {
    const path = join(this.#root, resource.path)
    const before = await readIfThere(path)
    if (!resource.from) {
      if (act) await rm(path, { force: true })
      return before === undefined ? undefined : 'present'
    }
    const wanted = resource.from.type === 'text' ? Buffer.from(resource.from.text) : await readFile(resource.from.path)
    if (before?.equals(wanted)) return this.#mode(path, resource.mode, act)
    if (act) {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 })
      await writeFile(path, wanted, { mode: 0o644 })
      await this.#mode(path, resource.mode, act)
    }
    return before === undefined ? 'missing' : 'other content'
  }

  async #line(resource: LineResource, act: boolean): Promise<string | undefined> {
    const path = join(this.#root, resource.path)
    const before = (await readIfThere(path))?.toString('utf8')
    const after = withLine(before ?? '', resource)
    if (before === after) return undefined
    if (act) {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 })
      await writeFile(path, after, { mode: 0o644 })
    }
    return before === undefined ? 'missing' : 'the line is not there, or others match'
  }

  async #mode(path: string, mode: string | undefined, act: boolean): Promise<string | undefined> {
    const before = await modeOf(path)
    if (mode === undefined || before === Number.parseInt(mode, 8)) return undefined
    if (act) await chmod(path, Number.parseInt(mode, 8))
    return `mode ${before?.toString(8).padStart(4, '0') ?? 'unknown'}`
  }
}

/** In place of what was seen, for kinds that it does not pretend. */
const skipped = '(skipped)'
const notCompiled: Outcome = { outcome: 'failed', reason: 'not compiled' }

/** The line takes the place of the first that matches, the others that match go; it is appended where none does. */
function withLine(text: string, { line, match }: LineResource): string {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  const pattern = match === undefined ? undefined : new RegExp(match)
  const others = (candidate: string): boolean => candidate !== line && (pattern?.test(candidate) ?? false)
  const first = lines.includes(line) ? -1 : lines.findIndex(others)
  const kept = lines.flatMap((candidate, index) => (index === first ? [line] : others(candidate) ? [] : [candidate]))
  return `${[...kept, ...(kept.includes(line) ? [] : [line])].join('\n')}\n`
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Permission bits, or undefined where nothing is there. */
async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode & 0o7777
  } catch {
    return undefined
  }
}

async function readCompiled<T>(run: EngineRun, file: string): Promise<T> {
  try {
    return JSON.parse(await readFile(join(run.directory, file), 'utf8')) as T
  } catch (cause) {
    throw new Unavailable('ENGINE_FAILED', {
      message: `The compiled policy cannot be read: ${messageOf(cause)}`,
      where: join(run.directory, file),
      next: 'Publish the policy again.',
      cause,
    })
  }
}

const stopped = (run: EngineRun): Unavailable =>
  new Unavailable('ENGINE_STOPPED', {
    message: 'The pretend engine was stopped before its end; what it had done so far stays.',
    where: run.directory,
    next: 'It is applied again in the next window.',
  })
