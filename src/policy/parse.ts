/**
 * From the text of `policy.yaml` and the files beside it to a Policy, or to everything that is wrong with it, sorted by
 * position. All faults at once: a part that is faulty does not hide the faults of the others. Never throws on its input.
 */
import { parseDuration } from '#base/time.ts'
import { byPosition } from './problem.ts'
import { exceptMax, reservedParameters, selectEntriesMax, windowMsMax, windowMsMin, windowsMax } from './limits.ts'
import { readDocument } from './document.ts'
import { problem, problemsOf, spell } from './issue.ts'
import { monitorsOf } from './monitor.ts'
import { devicePathFault, filledStringsOf, resourceOf, type Report } from './resource.ts'
import { templateBytesMax } from './template.ts'
import { templateFaults } from './template-check.ts'
import { openingFaults } from './opening.ts'
import { windowsOfCalendar } from './ics.ts'
import { soundParts } from './sound-parts.ts'
import type { Path, PolicyDocument } from './document.ts'
import type { PolicyText, WindowText } from './schema.ts'
import type { PolicyCode, Problem } from './problem.ts'
import type { Policy, Resource, Select, Window } from './model.ts'

/** The policy folder as the parser may see it: regular files only, by their path in the folder. */
export interface PolicyFiles {
  /** Its size in bytes; undefined where there is no such file. */
  has(path: string): number | undefined
  /** Its text; undefined where there is none or it is not UTF-8. */
  text(path: string): string | undefined
}

const dayMs = 86_400_000
const parameterDepthMax = 16

/** `policy` only where there is no problem. */
export function parsePolicy(text: string, files: PolicyFiles): { policy?: Policy; problems: Problem[] } {
  const { document, problems } = readDocument(text)
  if (!document) return { problems: problems.sort(byPosition) }
  const { text: sound, issues, trimmed } = soundParts(document.value)
  problems.push(...issues.flatMap((issue) => problemsOf(issue, document)))
  const policy = new Reading(document, files, problems, trimmed).policyOf(sound)
  return problems.length > 0 ? { problems: problems.sort(byPosition) } : { policy, problems }
}

class Reading {
  readonly #document: PolicyDocument
  readonly #files: PolicyFiles
  readonly #problems: Problem[]
  readonly #trimmed: ReadonlySet<string>

  constructor(document: PolicyDocument, files: PolicyFiles, problems: Problem[], trimmed: ReadonlySet<string>) {
    this.#trimmed = trimmed
    this.#document = document
    this.#files = files
    this.#problems = problems
  }

  policyOf(text: PolicyText): Policy {
    const parameters = this.#parametersOf(text.parameters ?? {})
    const resources = this.#resourcesOf(text.resources ?? [])
    this.#checkTemplates(resources, parameters)
    this.#checkConflicts(resources)
    const select = this.#selectOf(text.select)
    const raw = this.#rawOf(text)
    const aheadMs =
      text.prepare?.ahead === undefined
        ? undefined
        : this.#durationOf(text.prepare.ahead, ['prepare', 'ahead'], 0, 31 * dayMs)
    return {
      name: text.policy,
      ...(text.description === undefined ? {} : { description: text.description }),
      ...(select === undefined ? {} : { select }),
      windows: this.#allWindowsOf(text.windows ?? []),
      ...(aheadMs === undefined ? {} : { prepareAheadMs: aheadMs }),
      ...(text.drift === undefined
        ? {}
        : {
            drift: {
              everyMs: this.#durationOf(text.drift.every, ['drift', 'every'], 60_000, 31 * dayMs),
              mode: text.drift.mode ?? 'report',
              outside: text.drift.outside ?? false,
            },
          }),
      parameters,
      resources: resources.filter((resource) => resource !== undefined),
      ...(text.guard === undefined ? {} : { guard: this.#guardOf(text.guard, parameters) }),
      monitors: monitorsOf(text.monitor ?? [], parameters, (index) => this.#reportAt(['monitor', index])),
      engine: raw?.engine ?? text.engine ?? 'auto',
      ...(raw === undefined ? {} : { raw }),
    }
  }

  #parametersOf(parameters: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    for (const [name, value] of Object.entries(parameters)) {
      if (reservedParameters.includes(name)) {
        const message = `A parameter cannot be named "${name}": templates use that name themselves.`
        this.#tell(['parameters', name], 'key', 'POLICY_VALUE_INVALID', message, 'Choose another name.')
      }
      if (depthOf(value) > parameterDepthMax)
        this.#tell(
          ['parameters', name],
          'value',
          'POLICY_VALUE_INVALID',
          `parameters.${name} is nested too deeply.`,
          `Nest at most ${parameterDepthMax} levels.`,
        )
    }
    return parameters
  }

  #selectOf(select: PolicyText['select']): Select | undefined {
    if (!select) return undefined
    const some = <T extends object>(part: T | undefined): T | undefined =>
      part !== undefined && Object.keys(part).length > 0 ? part : undefined
    const labels = some(select.labels)
    const facts = some(select.facts)
    if (select.sites?.length === 0)
      this.#tell(
        ['select', 'sites'],
        'value',
        'POLICY_VALUE_INVALID',
        'An empty list of sites selects nobody.',
        'Name a site, or leave sites out.',
      )
    for (const [key, part] of [['labels', labels] as const, ['facts', facts] as const])
      if (Object.keys(part ?? {}).length > selectEntriesMax) {
        const message = `select.${key} has more than ${selectEntriesMax} entries.`
        this.#tell(
          ['select', key],
          'value',
          'POLICY_VALUE_INVALID',
          message,
          'Give the devices one label for all of them.',
        )
      }
    for (const path of Object.keys(facts ?? {}))
      if (path.startsWith('facts.'))
        this.#tell(
          ['select', 'facts', path],
          'key',
          'POLICY_VALUE_INVALID',
          `The fact path "${path}" begins with facts.`,
          `Write ${path.slice(6)}.`,
        )
    if (!labels && !facts && !select.sites) return undefined
    return {
      ...(labels ? { labels } : {}),
      ...(select.sites ? { sites: select.sites } : {}),
      ...(facts ? { facts } : {}),
    }
  }

  #allWindowsOf(texts: NonNullable<PolicyText['windows']>): Window[] {
    const windows = texts.flatMap((text, index) => this.#windowsOf(text, ['windows', index]))
    // A calendar file may hold many; a member refuses signed windows beyond these limits.
    if (windows.length > windowsMax) {
      const message = `These are ${windows.length} windows, more than ${windowsMax}.`
      this.#tell(['windows'], 'value', 'POLICY_WINDOW_INVALID', message, 'Join them by rules such as FREQ=WEEKLY.')
    }
    if (windows.some((window) => (window.except?.length ?? 0) > exceptMax)) {
      const message = `A window has more than ${exceptMax} exceptions.`
      this.#tell(['windows'], 'value', 'POLICY_WINDOW_INVALID', message, 'Begin it at a later start.')
    }
    return windows
  }

  #windowsOf(text: WindowText | undefined, path: Path): Window[] {
    if (!text) return []
    if (text.ics !== undefined) return this.#calendarOf(text, text.ics, path)
    const { start, duration } = text
    for (const key of ['start', 'duration'] as const)
      if (text[key] === undefined) {
        const next =
          key === 'start' ? 'Add start: "2026-01-03T02:00", its first opening.' : 'Add duration: PT3H, for example.'
        this.#tell(path, 'key', 'POLICY_WINDOW_INVALID', `This window has no ${key}.`, next)
      }
    if (start === undefined || duration === undefined) return []
    const durationMs = this.#durationOf(duration, [...path, 'duration'], windowMsMin, windowMsMax)
    const window: Window = {
      ...(text.rule === undefined ? {} : { rule: text.rule }),
      start,
      durationMs,
      zone: text.zone ?? 'UTC',
    }
    for (const { field, message, next } of openingFaults(window))
      this.#tell([...path, field], 'value', 'POLICY_WINDOW_INVALID', message, next)
    return [window]
  }

  #calendarOf(text: WindowText, name: string, path: Path): Window[] {
    const extra = (['rule', 'start', 'duration'] as const).find((key) => text[key] !== undefined)
    if (extra !== undefined)
      this.#tell(
        [...path, extra],
        'key',
        'POLICY_WINDOW_INVALID',
        `A window from a calendar file has no ${extra} of its own.`,
        `Keep ics or ${extra}.`,
      )
    const file = this.#find(name, [...path, 'ics'])
    if (file === undefined) return []
    const calendar = this.#files.text(file)
    if (calendar === undefined) {
      this.#tell([...path, 'ics'], 'value', 'POLICY_WINDOW_INVALID', `${file} is not UTF-8 text.`, 'Save it as UTF-8.')
      return []
    }
    const { windows, faults } = windowsOfCalendar(calendar, text.zone)
    for (const { line, message, next } of faults)
      this.#problems.push({
        file,
        line,
        column: 1,
        code: 'POLICY_WINDOW_INVALID',
        message,
        ...(next === undefined ? {} : { next }),
      })
    return windows
  }

  #guardOf(paths: readonly (string | undefined)[], parameters: Readonly<Record<string, unknown>>): string[] {
    for (const [index, path = '/etc'] of paths.entries()) {
      const fault = path.startsWith('{{') ? undefined : devicePathFault(path)
      if (fault !== undefined) this.#tell(['guard', index], 'value', 'POLICY_PATH_NOT_ABSOLUTE', fault)
      for (const { message, next } of templateFaults(path, parameters))
        this.#tell(['guard', index], 'value', 'POLICY_TEMPLATE_INVALID', message, next)
    }
    return paths.filter((path) => path !== undefined)
  }

  #rawOf(text: PolicyText): Policy['raw'] {
    const { raw } = text
    if (!raw) return undefined
    if (text.resources !== undefined && text.resources.length > 0)
      this.#tell(
        ['raw'],
        'key',
        'POLICY_VALUE_INVALID',
        'A policy has resources or raw, not both.',
        'Move one of them into a policy of its own.',
      )
    if (text.engine !== undefined && text.engine !== 'auto' && text.engine !== raw.engine)
      this.#tell(
        ['engine'],
        'value',
        'POLICY_VALUE_INVALID',
        `engine is ${text.engine}, but raw is for ${raw.engine}.`,
        'Leave engine out.',
      )
    const entry = this.#find(raw.entry, ['raw', 'entry'])
    return { engine: raw.engine, entry: entry ?? raw.entry }
  }

  #resourcesOf(resources: NonNullable<PolicyText['resources']>): (Resource | undefined)[] {
    return resources.map((text, index) => {
      // A resource that the schema refused stands as undefined here: it keeps its index, and its faults are told already.
      if (text === undefined) return undefined
      const at = ['resources', index]
      return resourceOf(text, index, (name, path) => this.#find(name, [...at, ...path]), this.#reportAt(at))
    })
  }

  #reportAt(at: Path): Report {
    return (path, code, message, next) =>
      this.#tell([...at, ...path], code === 'POLICY_VALUE_INVALID' ? 'key' : 'value', code, message, next)
  }

  /** Where a named file lies: below files/, else in the folder itself. Tells what is wrong with it. */
  #find(name: string, path: Path): string | undefined {
    const plain = name.replace(/^(?:\.\/+)+/, '')
    const leaves = plain.startsWith('/') || plain.includes('\\') || plain.split('/').includes('..')
    if (leaves) {
      this.#tell(
        path,
        'value',
        'POLICY_PATH_LEAVES',
        `"${name}" leads out of the policy folder.`,
        'Copy the file into files/ and name it from there.',
      )
      return undefined
    }
    const found = [`files/${plain}`, plain].find((candidate) => this.#files.has(candidate) !== undefined)
    if (found === undefined) {
      const next = `Put it at files/${plain.replace(/^files\//, '')}, or correct the name.`
      this.#tell(path, 'value', 'POLICY_FILE_MISSING', `There is no file "${name}".`, next)
      return undefined
    }
    if (this.#files.has(found) !== 0) return found
    const next = path.includes('resources') ? 'Fill it; to ship an empty file write content: "".' : 'Fill it.'
    this.#tell(path, 'value', 'POLICY_FILE_EMPTY', `${found} is empty (0 bytes).`, next)
    return undefined
  }

  #checkTemplates(resources: readonly (Resource | undefined)[], parameters: Readonly<Record<string, unknown>>): void {
    const files = new Set<string>()
    for (const [index, resource] of resources.entries()) {
      if (!resource) continue
      for (const [key, text] of filledStringsOf(resource))
        for (const { message, next } of templateFaults(text, parameters))
          this.#tell(['resources', index, resource.kind, key], 'value', 'POLICY_TEMPLATE_INVALID', message, next)
      const file = resource.kind === 'file' && resource.from?.type === 'template' ? resource.from.file : undefined
      if (file === undefined || files.has(file)) continue
      files.add(file)
      this.#checkTemplateFile(file, ['resources', index, 'file', 'template'], parameters)
    }
  }

  #checkTemplateFile(file: string, path: Path, parameters: Readonly<Record<string, unknown>>): void {
    if ((this.#files.has(file) ?? 0) > templateBytesMax) {
      const message = `${file} is larger than ${templateBytesMax} bytes.`
      this.#tell(path, 'value', 'POLICY_TOO_LARGE', message, 'Use source: for a file without tags.')
      return
    }
    const text = this.#files.text(file)
    if (text === undefined) {
      const next = 'Save it as UTF-8, or use source: for other files.'
      this.#tell(path, 'value', 'POLICY_TEMPLATE_INVALID', `${file} is not UTF-8 text.`, next)
      return
    }
    for (const { offset, message, next } of templateFaults(text, parameters)) {
      const before = text.slice(0, offset).split('\n')
      const place = { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
      this.#problems.push({
        ...place,
        code: 'POLICY_TEMPLATE_INVALID',
        message,
        ...(next === undefined ? {} : { next }),
      })
    }
  }

  /** Two owners of one thing would undo each other at every run. */
  #checkConflicts(resources: readonly (Resource | undefined)[]): void {
    const owners = new Map<string, number>()
    for (const [index, resource] of resources.entries()) {
      if (resource?.kind !== 'file' && resource?.kind !== 'directory' && resource?.kind !== 'package') continue
      const name = resource.kind === 'package' ? resource.name : resource.path
      const thing = `${resource.kind === 'package' ? 'package' : 'path'} ${name}`
      const owner = owners.get(thing)
      if (owner === undefined) owners.set(thing, index)
      else this.#tellConflict(index, resource.kind, name, owner)
    }
    for (const [index, resource] of resources.entries()) {
      const owner = resource?.kind === 'line' ? owners.get(`path ${resource.path}`) : undefined
      if (resource?.kind === 'line' && owner !== undefined) this.#tellConflict(index, 'line', resource.path, owner)
    }
  }

  #tellConflict(index: number, kind: 'file' | 'directory' | 'package' | 'line', name: string, owner: number): void {
    const { line } = this.#document.place(['resources', owner])
    const path = ['resources', index, kind, kind === 'package' ? 'name' : 'path']
    const next = kind === 'line' ? 'Put the line into that file, or leave the file out.' : 'Keep one of the two.'
    this.#tell(
      path,
      'value',
      'POLICY_RESOURCE_CONFLICT',
      `${name} is managed already by ${spell(['resources', owner])} in line ${line}.`,
      next,
    )
  }

  #durationOf(text: string, path: Path, leastMs: number, mostMs: number): number {
    const length = parseDuration(text)
    const code = path[0] === 'windows' ? 'POLICY_WINDOW_INVALID' : 'POLICY_VALUE_INVALID'
    if (length === undefined)
      this.#tell(path, 'value', code, `"${text}" is no duration.`, 'Write it as 90s, 30m, 3h, 7d or PT3H.')
    else if (length < leastMs || length > mostMs)
      this.#tell(
        path,
        'value',
        code,
        `${spell(path)} must be from ${leastMs / 1000} seconds to ${mostMs / dayMs} days, not ${text}.`,
      )
    return length ?? leastMs
  }

  #tell(path: Path, on: 'value' | 'key', code: PolicyCode, message: string, next?: string): void {
    // A part that lost a faulty setting would be told that the setting is missing.
    const isAboutAbsence = code === 'POLICY_VALUE_INVALID' || code === 'POLICY_WINDOW_INVALID'
    if (isAboutAbsence && on === 'key' && this.#trimmed.has(path.slice(0, 2).join('.'))) return
    this.#problems.push(problem(this.#document, path, on, code, message, next))
  }
}

function depthOf(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null || depth > parameterDepthMax) return depth
  return Math.max(depth, ...Object.values(value).map((item) => depthOf(item, depth + 1)))
}
