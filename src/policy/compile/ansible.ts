/**
 * From what is wanted to an Ansible playbook: `playbook.yml` of ansible-core's own modules, `files/N` for texts and `files/N.sh` for
 * what they do not do, or do otherwise (script.ts); N is the resource's index. Files and directories are Ansible's own modules.
 *
 * A resource is one task or a few; their names begin with its index, by which engines/ansible.ts knows whose a result is. A task that
 * has nothing to do is skipped by `when`, which is looked at in Ansible itself and starts no module. The programs are run in check
 * mode too: they are told by $GRAPEVINE_MODE to observe, and then look at the guards of commands.
 *
 * When the window closes, nothing of the resources after the one that runs is begun (`open`, ansible-callback.ts).
 *
 * No text of the policy is evaluated: Jinja leaves `!unsafe` strings alone, paths in which modules would find a variable are refused,
 * contents travel in files of their own. A content is never written to a file that has not got its mode yet.
 */
import { unreachable } from '#base/assert.ts'
import { ansiblePathFault, yamlText } from './quote.ts'
import { resourceList } from './resource-list.ts'
import { scriptOf } from './script.ts'
import { textFaultOf, unsayable } from './text-fault.ts'
import type { Compiler } from './compiler.ts'
import type { CompiledFile, DirectoryResource, RenderedPolicy, RenderedResource, Resource } from '../model.ts'

export const ansibleFile = 'playbook.yml'

export const ansibleCompiler: Compiler = {
  engine: 'ansible',
  compile(rendered) {
    if (rendered.policy.raw) return [resourceList(rendered)]
    const parts = rendered.resources.map((resource, index) => partOf(resource, index, rendered))
    const tasks = parts.map((part) => part.tasks).join('')
    return [
      { path: ansibleFile, mode: 0o600, text: `${head}${tasks === '' ? ' []\n' : `\n${tasks}`}` },
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

/** What Ansible cannot say of a resource, or undefined. */
function faultOf(resource: Resource | RenderedResource): string | undefined {
  const paths = [
    ...(resource.kind === 'file' || resource.kind === 'directory' ? [resource.path] : []),
    ...(resource.kind === 'file' && resource.from?.type === 'copy' ? [resource.from.path] : []),
    ...(resource.kind === 'file' && resource.from?.type === 'source' ? [resource.from.file] : []),
  ]
  return textFaultOf(resource) ?? paths.map(ansiblePathFault).find((fault) => fault !== undefined)
}

interface Part {
  readonly tasks: string
  readonly files: readonly CompiledFile[]
}

function partOf(resource: RenderedResource, index: number, rendered: RenderedPolicy): Part {
  const fault = faultOf(resource)
  if (fault !== undefined) throw unsayable(resource, fault)
  switch (resource.kind) {
    case 'file':
      return filePart(resource, index)
    case 'directory':
      return { tasks: directoryTasks(resource, index), files: [] }
    case 'package':
    case 'patch':
    case 'line':
    case 'service':
    case 'process':
    case 'command':
    case 'reboot':
      return {
        tasks: `${commentOf(resource)}${programTask(index)}`,
        files: [{ path: `files/${index}.sh`, mode: 0o700, text: scriptOf(resource, rendered) }],
      }
    default:
      return unreachable(resource)
  }
}

function filePart(resource: Extract<RenderedResource, { kind: 'file' }>, index: number): Part {
  const { path, from } = resource
  // Never followed: through a link it would be the other file that changes.
  const plain = 'target is not link and target is exists'
  const folderFault = 'target is not link and target is directory'
  if (!from) {
    const tasks = [
      fileTask(index, 'kind', folderFault, { path: yamlText(path), state: 'file' }),
      fileTask(index, 'absence', 'target is link or (target is exists and target is not directory)', {
        path: yamlText(path),
        state: 'absent',
      }),
    ]
    return { tasks: blockOf(resource, path, tasks), files: [] }
  }
  const access = accessOf(resource)
  const source = from.type === 'copy' ? yamlText(from.path) : `"\${GRAPEVINE_COMPILED}/files/${index}"`
  const fresh = { ...access, mode: access['mode'] ?? '"0644"' }
  const tasks = [
    // A link to a directory: what is copied would go into it.
    fileTask(index, 'link', 'target is link and target is directory', { path: yamlText(path), state: 'absent' }),
    folderTask(index, path),
    fileTask(index, 'access', Object.keys(access).length > 0 ? plain : folderFault, {
      path: yamlText(path),
      state: 'file',
      ...access,
    }),
    taskOf(`${index} content`, 'folder is directory and target is not directory', 'copy', {
      src: source,
      dest: yamlText(path),
      remote_src: 'true',
      ...Object.fromEntries(Object.keys(fresh).map((key) => [key, `"{{ omit if ${plain} else fresh.${key} }}"`])),
    }),
  ]
  return {
    tasks: blockOf(resource, path, tasks, fresh),
    files: from.type === 'text' ? [{ path: `files/${index}`, mode: 0o600, text: from.text }] : [],
  }
}

function directoryTasks(resource: DirectoryResource, index: number): string {
  const { path } = resource
  const access = accessOf(resource)
  const args = {
    path: yamlText(path),
    state: 'directory',
    mode: `"{{ omit if target is directory else '0755' }}"`,
    ...access,
  }
  return blockOf(resource, path, [folderTask(index, path), fileTask(index, 'directory', undefined, args)])
}

type Args = Readonly<Record<string, string>>

function accessOf({ mode, owner, group }: { mode?: string; owner?: string; group?: string }): Args {
  return {
    ...(mode === undefined ? {} : { mode: `"${mode}"` }),
    ...(owner === undefined ? {} : { owner: yamlText(owner) }),
    ...(group === undefined ? {} : { group: yamlText(group) }),
  }
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'

/** Missing folders are made 0755, whatever the mode of what comes into them. */
const folderTask = (index: number, path: string): string =>
  fileTask(index, 'folder', 'folder is not directory', {
    path: yamlText(folderOf(path)),
    state: 'directory',
    mode: '"0755"',
  })

const fileTask = (index: number, name: string, when: string | undefined, args: Args): string =>
  taskOf(`${index} ${name}`, when, 'file', args)

function taskOf(name: string, when: string | undefined, module: string, args: Args): string {
  const lines = [
    `- name: ${name}`,
    `  when: ${when === undefined ? open : `${open} and (${when})`}`,
    `  ansible.builtin.${module}: { ${fieldsOf(args)} }`,
  ]
  return lines.map((line) => `        ${line}\n`).join('')
}

/** What the program prints tells more, and its exit code what became of it. Commands of the policy need no configuration of ours. */
const programTask = (index: number): string =>
  `    - name: ${index} program
      when: ${open}
      check_mode: false
      register: told
      changed_when: told.rc == 0
      failed_when: told.rc not in [0, 97]
      ansible.builtin.raw: unset ANSIBLE_CONFIG; exec /bin/sh "$GRAPEVINE_COMPILED/files/${index}.sh" "$GRAPEVINE_MODE"
`

/** False for a resource that the window closed before: nothing of it is begun. */
const open = '(open | bool)'

const fieldsOf = (args: Args): string =>
  Object.entries(args)
    .map(([key, value]) => `${key}: ${value}`)
    .join(', ')

const commentOf = ({ id }: RenderedResource): string => `    # ${id.replaceAll(/[^\x20-\x7e]/g, '?')}\n`

function blockOf(resource: RenderedResource, path: string, tasks: readonly string[], fresh: Args = {}): string {
  const vars = [
    `target: ${yamlText(path)}`,
    `folder: ${yamlText(folderOf(path))}`,
    ...(Object.keys(fresh).length > 0 ? [`fresh: { ${fieldsOf(fresh)} }`] : []),
  ]
  return [commentOf(resource), `    - vars: { ${vars.join(', ')} }\n      block:\n`, ...tasks].join('')
}

const head = `# Written by Grapevine for engines/ansible.ts, which sets $GRAPEVINE_COMPILED to this folder and $GRAPEVINE_MODE to apply or observe.
- hosts: localhost
  connection: local
  gather_facts: false
  ignore_errors: true
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    # Of the resource that a task belongs to: our plugin says so when its first task begins.
    open: "{{ lookup('env', 'GRAPEVINE_OPEN') == 'open' }}"
  tasks:`
