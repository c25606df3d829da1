/**
 * The Engine contract: an existing configuration-management tool that applies what `policy/compile/<same name>.ts` wrote.
 * test/contracts/engine.ts holds every engine to it. One engine runs at a time per machine: the caller queues.
 */
import type { ResourceResult } from '#facts/report.ts'
import type { Finding } from '#facts/finding.ts'

export type EngineName = 'cfengine' | 'ansible' | 'puppet' | 'pretend'

export interface EngineRun {
  /** Absolute path of the compiled policy: `bundles/<name>/<version>/compiled/<engine>`. Never written by the engine. */
  readonly directory: string
  /** Absolute path of the prepared bundle, which compiled policies refer to. Engines work and remember in the folder above it. */
  readonly bundle: string
  /** The bundle's name, for findings. */
  readonly name: string
  /** Ids and kinds of the resources in order; every one gets exactly one result. */
  readonly resources: readonly { readonly id: string; readonly kind: string }[]
  /** The whole process tree is killed after this long. */
  readonly timeoutMs: number
  /** Ends the run early (SIGTERM of the daemon); what runs is killed with its descendants. */
  readonly signal?: AbortSignal
  /**
   * The window closed: the resource that runs is finished, and those after it are `skipped` with the reason `windowClosed`. A
   * raw policy is one resource, and so is a run of Puppet. Engines in a work folder find the file `closed` (closing.ts) in it from then on.
   */
  readonly closing?: AbortSignal
}

export interface Engine {
  readonly name: EngineName
  /** The installed version, or undefined where the tool is not installed. Never throws. */
  version(): Promise<string | undefined>
  /** The tool's own syntax check. Negative `ENGINE_SYNTAX` with the tool's words where it does not pass; changes nothing. */
  check(run: EngineRun): Promise<void>
  /**
   * Applies, and tells for each resource whether it was kept, repaired, failed or skipped; a failed resource is a result, not
   * an error. Unavailable `ENGINE_MISSING`, `ENGINE_TIMEOUT`, `ENGINE_STOPPED` or `ENGINE_FAILED` where there are no results.
   */
  apply(run: EngineRun): Promise<ResourceResult[]>
  /** What is not as wanted, without changing anything. Same errors as `apply`. */
  observe(run: EngineRun, now: number): Promise<Finding[]>
}
