/**
 * What is wanted, as types: the parsed form of `policy.yaml` (docs/policy.md is the language, docs/policy.schema.json its
 * schema). `parse.ts` makes it and is the only place where it can be wrong; everybody else trusts it.
 */
import type { Instant } from '#base/time.ts'

export type EngineChoice = 'auto' | 'cfengine' | 'ansible' | 'puppet'

export interface Select {
  /** Every label must be equal. */
  readonly labels?: Readonly<Record<string, string>>
  /** The device's site must be one of these. */
  readonly sites?: readonly string[]
  /** Dotted fact path to wanted value, compared as text: `os.family: debian`. */
  readonly facts?: Readonly<Record<string, string>>
}

/** One maintenance window, an RFC 5545 recurrence in wall-clock time of a zone. `.ics` files are read into this form too. */
export interface Window {
  /** RFC 5545 RRULE value without the name: `FREQ=WEEKLY;BYDAY=SA`; absent for a window that opens once. */
  readonly rule?: string
  /** Local wall-clock time of the first opening: `2026-01-03T02:00`. */
  readonly start: string
  /** Milliseconds of exact time, from the opening on. */
  readonly durationMs: number
  /** IANA zone: `Europe/Berlin`; default UTC. */
  readonly zone: string
  /** Openings that do not happen (EXDATE), as local wall-clock times. */
  readonly except?: readonly string[]
}

export interface Drift {
  readonly everyMs: number
  readonly mode: 'report' | 'repair'
  /** Repair outside windows too. */
  readonly outside: boolean
}

export type Resource =
  | PackageResource
  | PatchResource
  | FileResource
  | LineResource
  | ServiceResource
  | ProcessResource
  | CommandResource
  | DirectoryResource
  | RebootResource

interface Common {
  /** `<index from 0>:<kind>:<name or path>`: names the resource in results and findings. */
  readonly id: string
}

export interface PackageResource extends Common {
  readonly kind: 'package'
  readonly name: string
  readonly state: 'present' | 'absent' | 'latest'
  /** `1.22-1` for exactly that, or `>=1.22`. */
  readonly version?: string
}

export interface PatchResource extends Common {
  readonly kind: 'patch'
  readonly patch: string
}

export interface FileResource extends Common {
  readonly kind: 'file'
  readonly path: string
  readonly state: 'present' | 'absent'
  /** Where its bytes come from; absent when the state is `absent`. */
  readonly from?:
    | { readonly type: 'template'; readonly file: string }
    | { readonly type: 'source'; readonly file: string }
    | { readonly type: 'content'; readonly text: string }
  /** Octal text such as `0644`. */
  readonly mode?: string
  readonly owner?: string
  readonly group?: string
}

export interface LineResource extends Common {
  readonly kind: 'line'
  readonly path: string
  /** The line that must be there. */
  readonly line: string
  /** Lines that match are replaced by it; without it the line is appended where it is missing. */
  readonly match?: string
}

export interface ServiceResource extends Common {
  readonly kind: 'service'
  readonly name: string
  readonly state?: 'running' | 'stopped'
  readonly enabled?: boolean
}

export interface ProcessResource extends Common {
  readonly kind: 'process'
  /** Regular expression over the command line. */
  readonly match: string
  readonly state: 'absent' | 'running'
  /** Starts it when it must run and does not. */
  readonly start?: string
}

export interface CommandResource extends Common {
  readonly kind: 'command'
  readonly run: string
  /** Not run where this command succeeds. */
  readonly unless?: string
  /** Run only where this command succeeds. */
  readonly onlyIf?: string
  /** Takes back what `run` did, where the policy is rolled back; also where it did nothing or half of it. */
  readonly undo?: string
}

export interface DirectoryResource extends Common {
  readonly kind: 'directory'
  readonly path: string
  readonly owner?: string
  readonly group?: string
  readonly mode?: string
}

export interface RebootResource extends Common {
  readonly kind: 'reboot'
  readonly when: 'needed' | 'once'
}

/** A check that runs again and again once its policy is applied. */
export interface Monitor {
  /** Unique in its policy. */
  readonly name: string
  readonly everyMs: number
  /** One run of the check is ended after this long. */
  readonly timeoutMs: number
  /** So many fails in a row make it failing, so many passes in a row make it well again. */
  readonly fails: number
  readonly passes: number
  /** Failing, it has its policy applied again. */
  readonly react?: 'apply'
  readonly check: MonitorCheck
}

export type MonitorCheck =
  | { readonly type: 'command'; readonly run: string }
  /** At least so much of the file system at `path` is free. */
  | { readonly type: 'disk'; readonly path: string; readonly free: DiskFree }
  /** The load average of five minutes is at most this. */
  | { readonly type: 'load'; readonly max: number }
  | { readonly type: 'service'; readonly name: string }
  /** Something takes a TCP connection there. */
  | { readonly type: 'port'; readonly host: string; readonly port: number }
  | { readonly type: 'file'; readonly path: string; readonly youngerThanMs: number }

export type DiskFree =
  | { readonly type: 'percent'; readonly least: number }
  | { readonly type: 'bytes'; readonly least: number }

export interface Raw {
  readonly engine: Exclude<EngineChoice, 'auto'>
  /** Path in the bundle of the engine's own policy. */
  readonly entry: string
}

export interface Policy {
  readonly name: string
  readonly description?: string
  /** Absent: meant for every client (never for relays and the origin, which must be selected by their own labels). */
  readonly select?: Select
  /** Empty: may be applied at any time. */
  readonly windows: readonly Window[]
  /** Not prepared earlier than this before the window; absent: as soon as it is published. */
  readonly prepareAheadMs?: number
  readonly drift?: Drift
  readonly parameters: Readonly<Record<string, unknown>>
  readonly resources: readonly Resource[]
  /** Files and folders that are put back where the policy is rolled back, beside those that its resources name. */
  readonly guard?: readonly string[]
  readonly monitors: readonly Monitor[]
  readonly engine: EngineChoice
  readonly raw?: Raw
}

/** Whether a window is open at a time, and when the current or next one opens and closes. Without windows it is always open. */
export interface WindowState {
  readonly open: boolean
  readonly opens?: Instant
  readonly closes?: Instant
}

/**
 * A policy made ready for one device: templates rendered, strings filled in, every file resource with its final bytes or
 * the absolute path of its source. Compilers take this.
 */
export interface RenderedPolicy {
  readonly policy: Policy
  /** Absolute path of the prepared bundle on this device. */
  readonly bundle: string
  /** Resources with `path`, `line`, `run`, `unless`, `onlyIf`, `start`, `name` filled in. */
  readonly resources: readonly RenderedResource[]
  /** Absolute paths. */
  readonly guard?: readonly string[]
}

export type RenderedResource =
  | Exclude<Resource, FileResource>
  | (Omit<FileResource, 'from'> & {
      /** `text`: rendered here; `copy`: absolute path of a file of the bundle, copied as it is. */
      readonly from?:
        | { readonly type: 'text'; readonly text: string }
        | { readonly type: 'copy'; readonly path: string }
    })

/** One file a compiler wrote, relative to `compiled/<engine>/`. */
export interface CompiledFile {
  readonly path: string
  /** 0o600, or 0o700 for programs: engines refuse policy that others may write. */
  readonly mode: number
  readonly text: string
}
