/**
 * From what is wanted to a Puppet manifest: `site.pp` of the types that are in Puppet itself, `files/N` for texts and `files/N.sh` for what
 * they do not do, or do otherwise (script.ts, folder-script.ts); N is the resource's index.
 *
 * A resource is one resource of Puppet whose title is our id; a file has a second one before it, `<id> place`, that makes its folder. They
 * run in the order of the manifest. No relation is said between them, and none is found by Puppet (it would find those between directories
 * and files), because it leaves out whatever depends on what failed.
 *
 * Puppet looks before it acts: `files/run.sh N look` is the guard of a program, and `act` its command. With $GRAPEVINE_MODE observe, as
 * under `--noop`, looking refreshes no list of packages. What a program says goes to $GRAPEVINE_SCRATCH/words-N.
 *
 * No text of the policy is evaluated: strings in single quotes hold no variables, contents and commands travel in files of their own.
 */
import { unreachable } from '#base/assert.ts'
import { folderOf } from './folder-script.ts'
import { puppetText } from './quote.ts'
import { resourceList } from './resource-list.ts'
import { placeScript, scriptOf } from './script.ts'
import { textFaultOf, unsayable } from './text-fault.ts'
import type { Compiler } from './compiler.ts'
import type { CompiledFile, RenderedPolicy, RenderedResource } from '../model.ts'

export const puppetFile = 'site.pp'

export const puppetCompiler: Compiler = {
  engine: 'puppet',
  compile(rendered) {
    if (rendered.policy.raw) return [resourceList(rendered)]
    requireOnce(rendered.resources)
    const parts = rendered.resources.map((resource, index) => partOf(resource, index, rendered))
    const files = `$files = ${puppetText(`${rendered.bundle}/compiled/puppet/files`)}`
    return [
      { path: puppetFile, mode: 0o600, text: `${[files, head, ...parts.map((part) => part.manifest)].join('\n')}\n` },
      { path: 'files/run.sh', mode: 0o700, text: runner },
      ...parts.flatMap((part) => part.files),
      resourceList(rendered),
    ]
  },
  unsupported: (policy) =>
    policy.resources.flatMap((resource) => {
      const message = textFaultOf(resource)
      return message === undefined ? [] : [{ resource: resource.id, message }]
    }),
}

interface Part {
  readonly manifest: string
  readonly files: readonly CompiledFile[]
}

function partOf(resource: RenderedResource, index: number, rendered: RenderedPolicy): Part {
  const fault = textFaultOf(resource)
  if (fault !== undefined) throw unsayable(resource, fault)
  switch (resource.kind) {
    case 'file':
      return filePart(resource, index)
    case 'line':
    case 'directory':
    case 'package':
    case 'patch':
    case 'service':
    case 'process':
    case 'command':
    case 'reboot':
      return programPart(resource.id, index, scriptOf(resource, rendered))
    default:
      return unreachable(resource)
  }
}

function filePart(resource: Extract<RenderedResource, { kind: 'file' }>, index: number): Part {
  const { id, path, from, mode, owner, group } = resource
  if (!from) return { manifest: declared('file', id, { path: puppetText(path), ensure: 'absent' }), files: [] }
  const file = declared('file', id, {
    path: puppetText(path),
    ensure: 'file',
    ...(from.type === 'copy' ? copied(from.path) : { source: `"\${files}/${index}"` }),
    ...(mode === undefined ? {} : { mode: puppetText(mode) }),
    ...(owner === undefined ? {} : { owner: puppetText(owner) }),
    ...(group === undefined ? {} : { group: puppetText(group) }),
  })
  const text: CompiledFile[] = from.type === 'text' ? [{ path: `files/${index}`, mode: 0o600, text: from.text }] : []
  // A link is looked at by the program: this guard is asked at each run, and starts no shell.
  const isReady = ['/usr/bin/test', '-d', folderOf(path), '-a', '!', '-h', path].map(puppetText)
  const place = declared('exec', `${id}${placeMark}`, {
    command: callOf(index, 'act'),
    unless: `[[${isReady.join(', ')}]]`,
  })
  return {
    manifest: `${place}\n${file}`,
    files: [...text, { path: `files/${index}.sh`, mode: 0o700, text: placeScript(path) }],
  }
}

function programPart(id: string, index: number, script: string): Part {
  return {
    manifest: declared('exec', id, { command: callOf(index, 'act'), unless: `[${callOf(index, 'look')}]` }),
    files: [{ path: `files/${index}.sh`, mode: 0o700, text: script }],
  }
}

const callOf = (index: number, word: 'look' | 'act'): string => `['/bin/sh', "\${files}/run.sh", '${index}', '${word}']`

function declared(type: 'file' | 'exec', title: string, attributes: Readonly<Record<string, string>>): string {
  const lines = Object.entries(attributes).map(([name, value]) => `  ${name} => ${value},`)
  return `${type} { ${puppetText(title)}:\n${lines.join('\n')}\n}`
}

/** Puppet refuses a manifest that has a path twice. `check` tells it where the policy says so; here a fact did. */
function requireOnce(resources: readonly RenderedResource[]): void {
  const paths = new Set<string>()
  for (const resource of resources) {
    if (resource.kind !== 'file') continue
    if (paths.has(resource.path)) throw unsayable(resource, `"${resource.path}" is there twice.`)
    paths.add(resource.path)
  }
}

/** Puppet makes a URL of a source, and none of these names; so it reads such a file as a whole. */
const copied = (path: string): Readonly<Record<string, string>> =>
  /[?[\]]/.test(path) ? { content: `binary_file(${puppetText(path)})` } : { source: puppetText(path) }

/** At the end of the title of what makes the place of a file. */
export const placeMark = ' place'

/** No time limit but that of the run, no copy of what was there, and no content in the report. */
const head = `Exec { timeout => 0, logoutput => false }
File { backup => false, show_diff => false }
`

/** Puppet takes HOME away. An exit code of 127 it would not count as a failure of a guard. What could not be looked at is not acted on. */
const runner = `#!/bin/sh
[ -z "\${GRAPEVINE_HOME-}" ] || export HOME="$GRAPEVINE_HOME"
mode=act
if [ "$2" = look ]; then mode=decide; [ "\${GRAPEVINE_MODE-}" = observe ] && mode=observe; fi
if [ -n "\${GRAPEVINE_SCRATCH-}" ]; then
  words=$GRAPEVINE_SCRATCH/words-$1
  [ $mode = act ] && grep -q '^failed: ' "$words" 2>/dev/null && exit 1
  /bin/sh "\${0%/*}/$1.sh" $mode >"$words" 2>&1
else
  /bin/sh "\${0%/*}/$1.sh" $mode 2>&1
fi
case $mode-$? in
act-0 | *-97) exit 0 ;;
*-0) exit 1 ;;
*) exit 2 ;;
esac
`
