/**
 * The file `resources.json` beside a compiled policy: what each resource wants, in words, so that an engine can tell a finding
 * (wanted, seen) without understanding the policy. Whoever compiles writes it, whoever runs reads it; nobody else does.
 *
 * Bytes: `{"raw": entry in the bundle, or null, "resources": [{"id", "kind", "path" or null, "wanted"}]}`, in the order of the policy.
 */
import { unreachable } from '#base/assert.ts'
import type { CompiledFile, RenderedPolicy, RenderedResource } from '../model.ts'

export const resourceListFile = 'resources.json'

export interface ListedResource {
  readonly id: string
  readonly kind: string
  readonly path: string | null
  readonly wanted: string
}

export interface ResourceList {
  readonly raw: string | null
  readonly resources: readonly ListedResource[]
}

export function resourceList(rendered: RenderedPolicy): CompiledFile {
  const list: ResourceList = {
    raw: rendered.policy.raw?.entry ?? null,
    resources: rendered.resources.map((resource) => ({
      id: resource.id,
      kind: resource.kind,
      path: 'path' in resource ? resource.path : null,
      wanted: wantedOf(resource),
    })),
  }
  return { path: resourceListFile, mode: 0o600, text: `${JSON.stringify(list, undefined, 1)}\n` }
}

/** What a resource wants, in a few words for a person. */
function wantedOf(resource: RenderedResource): string {
  switch (resource.kind) {
    case 'package':
      return resource.version === undefined ? resource.state : `${resource.state} ${resource.version}`
    case 'patch':
      return 'applied'
    case 'file':
      return resource.state === 'absent' ? 'absent' : withAccess('the content of the policy', resource)
    case 'line':
      return resource.line
    case 'service':
      return [
        ...(resource.state === undefined ? [] : [resource.state]),
        ...(resource.enabled === undefined ? [] : [resource.enabled ? 'enabled' : 'disabled']),
      ].join(', ')
    case 'process':
      return resource.state
    case 'command':
      return resource.unless === undefined ? resource.run : `success of ${resource.unless}`
    case 'directory':
      return withAccess('a directory', resource)
    case 'reboot':
      return resource.when === 'once' ? 'one reboot' : 'no reboot outstanding'
    default:
      return unreachable(resource)
  }
}

function withAccess(text: string, access: { mode?: string; owner?: string; group?: string }): string {
  const parts = (['mode', 'owner', 'group'] as const).flatMap((key) =>
    access[key] === undefined ? [] : [`${key} ${access[key]}`],
  )
  return [text, ...parts].join(', ')
}
