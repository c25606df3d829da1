/**
 * One entry of `resources:` from its written form to the model, and what the schema cannot see: settings that exclude each
 * other, files that must lie in the folder, paths on the device. Reports each fault and goes on.
 */
import { unreachable } from '#base/assert.ts'
import { isTemplate } from './template.ts'
import type { PolicyCode } from './problem.ts'
import type { ResourceText } from './schema.ts'
import type { FileResource, Resource } from './model.ts'

/** Tells a fault at a path below the resource; an empty path is the resource itself. */
export type Report = (path: readonly string[], code: PolicyCode, message: string, next?: string) => void

/** The path in the policy folder of a file that a policy names, or undefined where it told of a fault. */
export type FindFile = (name: string, path: readonly string[], report: Report) => string | undefined

/** The strings of a resource in which a device fills tags in. */
const filledKeys = ['path', 'line', 'run', 'unless', 'onlyIf', 'undo', 'start', 'name'] as const
export type FilledKey = (typeof filledKeys)[number]

type Kind = Resource['kind']

const labelLengthMax = 120
const originKeys = ['template', 'source', 'content'] as const

/** The resource, or undefined where it told of a fault that leaves none. */
export function resourceOf(text: ResourceText, index: number, find: FindFile, report: Report): Resource | undefined {
  const kinds = (Object.keys(text) as Kind[]).filter((kind) => text[kind] !== undefined)
  const [kind, second] = kinds
  if (kind === undefined) {
    report(
      [],
      'POLICY_VALUE_INVALID',
      'This resource is empty.',
      'Write its kind, such as package: { name: nginx }, or remove it.',
    )
    return undefined
  }
  if (second !== undefined) {
    const next = `Begin ${second} as an entry of its own, with "- ".`
    report([second], 'POLICY_VALUE_INVALID', `One resource is of one kind; this is ${kinds.join(' and ')}.`, next)
    return undefined
  }
  return ofKind(kind, text, (label) => `${index}:${kind}:${labelOf(label)}`, find, report)
}

/** Those strings of a resource that have tags, by their keys. */
export function filledStringsOf(resource: Resource): [FilledKey, string][] {
  const strings = resource as { readonly [key in FilledKey]?: string }
  return filledKeys.flatMap((key) => {
    const text = strings[key]
    return text !== undefined && isTemplate(text) ? [[key, text] as [FilledKey, string]] : []
  })
}

/** A device's path must be absolute and must not climb. What is wrong with it, or undefined. */
export function devicePathFault(path: string): string | undefined {
  if (!path.startsWith('/')) return `"${path}" is not an absolute path.`
  if (/\/\.?\//.test(path)) return `"${path}" holds // or /./, so that one file would have two names.`
  if (path.split('/').includes('..')) return `"${path}" climbs with "..".`
  if (/\p{Cc}/u.test(path)) return `"${JSON.stringify(path).slice(1, -1)}" holds a control character.`
  if (path.endsWith('/')) return `"${path}" ends with "/".`
  return undefined
}

function ofKind(
  kind: Kind,
  text: ResourceText,
  id: (label: string) => string,
  find: FindFile,
  report: Report,
): Resource | undefined {
  switch (kind) {
    case 'package': {
      const fields = text.package
      if (!fields) return undefined
      const state = fields.state ?? 'present'
      if (fields.version !== undefined && state !== 'present')
        report(
          ['package', 'version'],
          'POLICY_VALUE_INVALID',
          `A package that is ${state} has no version.`,
          'Leave version out, or write state: present.',
        )
      return {
        kind,
        id: id(fields.name),
        name: fields.name,
        state,
        ...optional('version', fields.version?.replace(/\s/g, '')),
      }
    }
    case 'patch':
      return text.patch && { kind, id: id(text.patch.id), patch: text.patch.id }
    case 'file':
      return text.file && fileOf(text.file, id, find, report)
    case 'line': {
      const fields = text.line
      if (!fields) return undefined
      checkPath(fields.path, ['line', 'path'], report)
      return {
        kind,
        id: id(fields.path),
        path: fields.path,
        line: fields.line,
        ...patternOf(fields.match, ['line', 'match'], report),
      }
    }
    case 'service': {
      const fields = text.service
      if (!fields) return undefined
      if (fields.state === undefined && fields.enabled === undefined)
        report(
          ['service'],
          'POLICY_VALUE_INVALID',
          'This service wants nothing.',
          'Add state: running or stopped, or enabled: true or false.',
        )
      return {
        kind,
        id: id(fields.name),
        name: fields.name,
        ...optional('state', fields.state),
        ...optional('enabled', fields.enabled),
      }
    }
    case 'process': {
      const fields = text.process
      if (!fields) return undefined
      if (fields.start !== undefined && fields.state === 'absent')
        report(
          ['process', 'start'],
          'POLICY_VALUE_INVALID',
          'A process that must be absent is not started.',
          'Leave start out, or write state: running.',
        )
      patternOf(fields.match, ['process', 'match'], report)
      return {
        kind,
        id: id(fields.match),
        match: fields.match,
        state: fields.state,
        ...optional('start', fields.start),
      }
    }
    case 'command': {
      const fields = text.command
      if (!fields) return undefined
      return {
        kind,
        id: id(fields.run),
        run: fields.run,
        ...optional('unless', fields.unless),
        ...optional('onlyIf', fields.onlyIf),
        ...optional('undo', fields.undo),
      }
    }
    case 'directory': {
      const fields = text.directory
      if (!fields) return undefined
      checkPath(fields.path, ['directory', 'path'], report)
      return { kind, id: id(fields.path), path: fields.path, ...ownership(fields) }
    }
    case 'reboot':
      return text.reboot && { kind, id: id(text.reboot.when), when: text.reboot.when }
    default:
      return unreachable(kind)
  }
}

function fileOf(
  fields: NonNullable<ResourceText['file']>,
  id: (label: string) => string,
  find: FindFile,
  report: Report,
): FileResource | undefined {
  checkPath(fields.path, ['file', 'path'], report)
  const state = fields.state ?? 'present'
  const origins = Object.keys(fields).flatMap((key) => originKeys.find((origin) => origin === key) ?? [])
  const [origin, second] = origins
  const file = { kind: 'file' as const, id: id(fields.path), path: fields.path, state }
  if (state === 'absent') {
    const extra = [...origins, ...(['mode', 'owner', 'group'] as const).filter((key) => fields[key] !== undefined)][0]
    if (extra !== undefined)
      report(
        ['file', extra],
        'POLICY_VALUE_INVALID',
        `A file that must be absent has no ${extra}.`,
        `Leave ${extra} out, or write state: present.`,
      )
    return file
  }
  if (second !== undefined) {
    report(
      ['file', second],
      'POLICY_VALUE_INVALID',
      `A file has one origin; this has ${origins.join(' and ')}.`,
      'Keep one of them.',
    )
    return undefined
  }
  if (origin === undefined) {
    const next = 'Add template: FILE, source: FILE or content: "TEXT", or write state: absent.'
    report(['file'], 'POLICY_VALUE_INVALID', 'This file has no content.', next)
    return undefined
  }
  if (origin === 'content')
    return { ...file, from: { type: 'content', text: fields.content ?? '' }, ...ownership(fields) }
  const found = find(fields[origin] ?? '', ['file', origin], report)
  return found === undefined ? undefined : { ...file, from: { type: origin, file: found }, ...ownership(fields) }
}

function checkPath(path: string, at: readonly string[], report: Report): void {
  // The beginning may be filled in on the device only; the rendered path is checked again there.
  const fault = path.startsWith('{{') ? undefined : devicePathFault(path)
  if (fault !== undefined)
    report(at, 'POLICY_PATH_NOT_ABSOLUTE', fault, 'Write a path such as /etc/motd, from the root and without "..".')
}

/** The patterns of a policy go to three engines; what is no regular expression in JavaScript is none in any of them. */
function patternOf(match: string | undefined, at: readonly string[], report: Report): { match?: string } {
  if (match === undefined) return {}
  if (!isPattern(match))
    report(
      at,
      'POLICY_VALUE_INVALID',
      `"${match}" is no regular expression.`,
      'Put a backslash before ( ) [ ] { } * + ? . that stand for themselves.',
    )
  return { match }
}

function isPattern(text: string): boolean {
  try {
    return Boolean(new RegExp(text))
  } catch {
    return false
  }
}

function ownership(fields: { owner?: string | undefined; group?: string | undefined; mode?: string | undefined }): {
  owner?: string
  group?: string
  mode?: string
} {
  const mode = fields.mode === undefined ? undefined : fields.mode.padStart(4, '0')
  return { ...optional('owner', fields.owner), ...optional('group', fields.group), ...optional('mode', mode) }
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V })
}

function labelOf(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > labelLengthMax ? `${line.slice(0, labelLengthMax - 3)}...` : line
}
