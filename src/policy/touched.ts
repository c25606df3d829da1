/**
 * What of a device a policy touches: what has to be kept so that it can go back. Made when a bundle is prepared, as the file
 * `touched.json` beside the compiled policy; whoever keeps and puts back reads it. It promises nothing that it does not list:
 * `uncovered` names the resources whose effects nobody can tell beforehand.
 *
 * Bytes: the JSON of `Touched`.
 */
import { unreachable } from '#base/assert.ts'
import type { CompiledFile, RenderedPolicy } from './model.ts'

export const touchedFile = 'touched.json'

export interface Touched {
  /** Absolute paths, each once: a file, or a folder of which only access is changed. */
  readonly paths: readonly string[]
  /** Absolute paths that are kept with everything below them. */
  readonly trees: readonly string[]
  readonly services: readonly string[]
  /** Commands that take back what a command did, in the order of the policy. */
  readonly undo: readonly { readonly id: string; readonly command: string }[]
  /** Ids of resources that cannot be put back: packages, patches, processes, reboots, and commands without `undo`. */
  readonly uncovered: readonly string[]
}

export function touchedBy({ policy, resources, guard = [] }: RenderedPolicy): Touched {
  const paths = new Set<string>()
  const services = new Set<string>()
  const undo: { id: string; command: string }[] = []
  const uncovered: string[] = []
  for (const resource of resources) {
    switch (resource.kind) {
      case 'file':
      case 'line':
      case 'directory':
        paths.add(resource.path)
        break
      case 'service':
        services.add(resource.name)
        break
      case 'command':
        if (resource.undo === undefined) uncovered.push(resource.id)
        else undo.push({ id: resource.id, command: resource.undo })
        break
      case 'package':
      case 'patch':
      case 'process':
      case 'reboot':
        uncovered.push(resource.id)
        break
      default:
        unreachable(resource)
    }
  }
  if (policy.raw) uncovered.push(`0:raw:${policy.raw.entry}`)
  return { paths: [...paths], trees: [...new Set(guard)], services: [...services], undo, uncovered }
}

export function touchedList(rendered: RenderedPolicy): CompiledFile {
  return { path: touchedFile, mode: 0o600, text: `${JSON.stringify(touchedBy(rendered), undefined, 1)}\n` }
}
