/**
 * From what is wanted to CFEngine promises: `policy.cf`, standing alone (without the standard library a run takes 0.1 s, with it
 * 0.8 s), `files/N` for texts and `files/N.sh` for what CFEngine does not do alone (script.ts); N is the resource's index.
 *
 * One bundle per resource, run in the order of the policy, so that a line edited after a package was installed finds its file.
 * Before each the file `closed` in the work folder is looked for: from then on nothing is begun (` R: GRAPEVINE N closed`).
 * Each bundle tells its result as report lines, which engines/cfengine.ts reads: `R: GRAPEVINE N begin`, then any of `kept`,
 * `repaired`, `failed`, and `because TEXT`. The class `grapevine_observe` turns every promise into a warning: with it nothing is
 * changed and `failed` means drift. (`--dry-run` calls a missing line kept, and `--simulate` runs commands in a copied root.)
 *
 * No text of the policy is evaluated: quote.ts spells it, contents travel in files of their own.
 */
import { unreachable } from '#base/assert.ts'
import { cfPattern, cfText, literalPattern, pathFault } from './quote.ts'
import { resourceList } from './resource-list.ts'
import { scriptOf } from './script.ts'
import { textFaultOf, unsayable } from './text-fault.ts'
import { closedFile, type Compiler } from './compiler.ts'
import type { CompiledFile, LineResource, RenderedPolicy, RenderedResource, Resource } from '../model.ts'

export const cfengineCompiler: Compiler = {
  engine: 'cfengine',
  compile(rendered) {
    if (rendered.policy.raw) return [resourceList(rendered)]
    const parts = rendered.resources.map((resource, index) => partOf(resource, index, rendered))
    // Never empty: cf-agent would look for a bundle called main, and fall into its failsafe policy.
    const sequence = parts.map((_, index) => `begin("${index}"), "r${index}"`).join(', ') || '"nothing"'
    const policy = [
      `body common control { bundlesequence => { ${sequence} }; }`,
      head,
      ...(parts.length > 0 ? parts.map((part) => part.promises) : ['bundle agent nothing { }']),
    ]
    return [
      { path: 'policy.cf', mode: 0o600, text: `${policy.join('\n')}\n` },
      ...parts.flatMap((part) => part.files),
      resourceList(rendered),
    ]
  },
  unsupported: (policy) =>
    policy.resources.flatMap((resource) => {
      const message = faultOf(resource)
      return message === undefined ? [] : [{ resource: resource.id, message }]
    }),
}

interface Part {
  readonly promises: string
  readonly files: readonly CompiledFile[]
}

function partOf(resource: RenderedResource, index: number, rendered: RenderedPolicy): Part {
  const fault = faultOf(resource)
  if (fault !== undefined) throw unsayable(resource, fault)
  switch (resource.kind) {
    case 'file':
      return filePart(resource, index)
    case 'line':
      return linePart(resource, index)
    case 'directory':
      return {
        promises: bundleOf(index, resource.id, {
          files: [
            ...folders([...foldersAbove(resource.path), resource.path], index),
            promise(`${resource.path}/.`, ['create => "true"', ...perms(index, resource), ...outcome(index)]),
          ],
          bodies: accessBody(index, resource),
        }),
        files: [],
      }
    case 'package':
    case 'patch':
    case 'service':
    case 'process':
    case 'command':
    case 'reboot':
      return {
        promises: bundleOf(index, resource.id, { commands: true }),
        files: [{ path: `files/${index}.sh`, mode: 0o700, text: scriptOf(resource, rendered) }],
      }
    default:
      return unreachable(resource)
  }
}

function filePart(resource: Extract<RenderedResource, { kind: 'file' }>, index: number): Part {
  const { path, from } = resource
  const classes = [`"r${index}_folder" and => { isdir(${cfText(path)}), not(islink(${cfText(path)})) };`]
  const because = [`"GRAPEVINE ${index} because it is a directory" if => "r${index}_folder";`]
  const failed = `"GRAPEVINE ${index} failed" if => "r${index}_folder";`
  const unlessFolder = `unless => "r${index}_folder"`
  if (!from) {
    const remove = promise(path, ['delete => tidy', ...outcome(index), unlessFolder])
    return {
      promises: bundleOf(index, resource.id, { classes, files: [remove], reports: [...because, failed] }),
      files: [],
    }
  }
  const source = from.type === 'copy' ? cfText(from.path) : `"$(this.promise_dirname)/files/${index}"`
  const copy = [`copy_from => exact(${source})`, ...outcome(index), unlessFolder]
  return {
    promises: bundleOf(index, resource.id, {
      classes: [...classes, newClass(index, path)],
      files: [...folders(foldersAbove(path), index), ...withMode(index, path, copy, resource)],
      bodies: accessBody(index, resource, '644'),
      reports: [...because, failed],
    }),
    files: from.type === 'text' ? [{ path: `files/${index}`, mode: 0o600, text: from.text }] : [],
  }
}

function linePart(resource: LineResource, index: number): Part {
  const { path, line, match } = resource
  const edit = [`edit_line => edit_${index}`, 'create => "true"', 'edit_defaults => plain', ...outcome(index)]
  const pattern = match === undefined ? undefined : cfPattern(match)
  return {
    promises: bundleOf(index, resource.id, {
      // Through a link it is the other file that is edited, and CFEngine cannot set the mode of a link.
      classes: [`"r${index}_new" not => fileexists(${cfText(path)});`],
      files: [...folders(foldersAbove(path), index), ...withMode(index, path, edit, {})],
      bodies: `${accessBody(index, {}, '644')}${editBundle(index, line, pattern)}`,
    }),
    files: [],
  }
}

/** The line takes the place of the first that matches; then the others that match go. Both passes leave a fitting file alone. */
function editBundle(index: number, line: string, pattern: string | undefined): string {
  if (pattern === undefined) return `bundle edit_line edit_${index} {\ninsert_lines:\n ${cfText(line)};\n}\n`
  const others = cfText(`^(?!${literalPattern(line)}$)(?=.*?(?:${pattern})).*$`)
  const put = `classes => done("put_${index}")`
  return `bundle edit_line edit_${index} {
classes:
 "other_${index}" expression => regline(${others}, "$(edit.filename)");
delete_lines:
 put_${index}::
 ${others};
insert_lines:
 other_${index}::
 ${cfText(line)} location => before_first(${others}), ${put};
 !other_${index}::
 ${cfText(line)} ${put};
}
`
}

interface Access {
  readonly mode?: string
  readonly owner?: string
  readonly group?: string
}

const hasAccess = ({ mode, owner, group }: Access): boolean => (mode ?? owner ?? group) !== undefined

/** Bodies `access_N` (what the policy says, if it says anything) and, where the mode is left open, `fresh_N` for a new file. */
function accessBody(index: number, access: Access, freshMode?: string): string {
  const owned = [
    ...(access.owner === undefined ? [] : [`owners => { ${cfText(access.owner)} };`]),
    ...(access.group === undefined ? [] : [`groups => { ${cfText(access.group)} };`]),
  ]
  const body = (name: string, mode: string | undefined): string =>
    `body perms ${name}_${index} { ${[...(mode === undefined ? [] : [`mode => "${mode}";`]), ...owned, 'rxdirs => "false";'].join(' ')} }\n`
  return [
    hasAccess(access) ? body('access', access.mode) : '',
    freshMode !== undefined && access.mode === undefined ? body('fresh', freshMode) : '',
  ].join('')
}

const perms = (index: number, access: Access): string[] => (hasAccess(access) ? [`perms => access_${index}`] : [])

/** A file without a mode in the policy keeps the one it has; CFEngine alone would make a new one 0600. */
function withMode(index: number, path: string, attributes: string[], access: Access): string[] {
  if (access.mode !== undefined) return [promise(path, [...attributes, ...perms(index, access)])]
  return [
    ` ${open(index)}.r${index}_new::\n${promise(path, [...attributes, `perms => fresh_${index}`])}`,
    ` ${open(index)}.!r${index}_new::\n${promise(path, [...attributes, ...perms(index, access)])}`,
  ]
}

/** Set before the first pass changes anything and kept. A link counts as new: the file that replaces it is. */
const newClass = (index: number, path: string): string =>
  `"r${index}_new" or => { not(fileexists(${cfText(path)})), islink(${cfText(path)}) };`

const outcome = (index: number): string[] => [`classes => outcome("r${index}")`, 'action => mode']

const promise = (path: string, attributes: readonly string[]): string =>
  ` ${cfText(path)} pathtype => "literal",\n  ${attributes.join(',\n  ')};`

/** Missing folders are made 0755; CFEngine alone would make them 0700. */
function folders(paths: readonly string[], index: number): string[] {
  return paths.map((path) =>
    promise(`${path}/.`, [
      'create => "true"',
      'perms => open_folder',
      ...outcome(index),
      `if => not(isdir(${cfText(path)}))`,
    ]),
  )
}

function foldersAbove(path: string): string[] {
  const names = path.split('/').slice(1, -1)
  return names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`)
}

/** The class of a resource that may begin. */
const open = (index: number): string => `!closed_${index}`

interface BundleParts {
  readonly classes?: readonly string[]
  readonly files?: readonly string[]
  readonly commands?: true
  readonly reports?: readonly string[]
  /** Bodies and edit bundles of this resource. */
  readonly bodies?: string
}

function bundleOf(index: number, id: string, parts: BundleParts): string {
  const script = (mode: string): string =>
    ` "/bin/sh \\"$(this.promise_dirname)/files/${index}.sh\\" ${mode}" classes => exit_code("r${index}");`
  const sections = [
    ...(parts.classes ? ['classes:', ...parts.classes.map((line) => ` ${line}`)] : []),
    ...(parts.files ? ['files:', ` ${open(index)}::`, ...parts.files] : []),
    ...(parts.commands
      ? [
          'commands:',
          ` ${open(index)}.grapevine_observe::`,
          script('observe'),
          ` ${open(index)}.!grapevine_observe::`,
          script('apply'),
        ]
      : []),
    'reports:',
    ...(parts.reports ?? []).map((line) => ` ${line}`),
    ...['kept', 'repaired', 'failed'].map((word) => ` "GRAPEVINE ${index} ${word}" if => "r${index}_${word}";`),
  ]
  return `\n# ${id.replaceAll(/[^\x20-\x7e]/g, '?')}\n${parts.bodies ?? ''}bundle agent r${index} {\n${sections.join('\n')}\n}`
}

/** What CFEngine cannot say of a resource, or undefined. */
const faultOf = (resource: Resource | RenderedResource): string | undefined =>
  textFaultOf(resource) ?? ('path' in resource ? pathFault(resource.path) : undefined)

const head = `
body classes outcome(name) {
 promise_kept => { "$(name)_kept" };
 promise_repaired => { "$(name)_repaired" };
 repair_failed => { "$(name)_failed" };
 repair_denied => { "$(name)_failed" };
 repair_timeout => { "$(name)_failed" };
}
body classes exit_code(name) {
 kept_returncodes => { "97" };
 repaired_returncodes => { "0" };
 failed_returncodes => { "1" };
 promise_kept => { "$(name)_kept" };
 promise_repaired => { "$(name)_repaired" };
 repair_failed => { "$(name)_failed" };
 repair_denied => { "$(name)_failed" };
 repair_timeout => { "$(name)_failed" };
}
body classes done(name) {
 promise_kept => { "$(name)" };
 promise_repaired => { "$(name)" };
}
body action mode {
 grapevine_observe::
 action_policy => "warn";
 !grapevine_observe::
 action_policy => "fix";
}
body copy_from exact(file) { source => "$(file)"; compare => "digest"; copy_backup => "false"; }
body delete tidy { dirlinks => "delete"; rmdirs => "false"; }
body edit_defaults plain { edit_backup => "false"; empty_file_before_editing => "false"; max_file_size => "16M"; }
body location before_first(pattern) { before_after => "before"; first_last => "first"; select_line_matching => "$(pattern)"; }
body perms open_folder { mode => "755"; rxdirs => "false"; }
bundle agent begin(index) {
vars:
 "closed" string => concat(getenv("GRAPEVINE_SCRATCH", "4096"), "/${closedFile}");
classes:
 "closed_$(index)" expression => fileexists("$(closed)"), scope => "namespace";
reports:
 "GRAPEVINE $(index) begin";
 "GRAPEVINE $(index) closed" if => "closed_$(index)";
}`
