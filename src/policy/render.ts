/**
 * A policy made ready for one device: templates and strings filled in with parameters and facts. A name that has no value
 * here is an error, never an empty text: half a configuration file is worse than none.
 */
import { Negative } from '#base/errors.ts'
import type { Facts } from '#facts/inventory.ts'
import { filledCheck } from './monitor.ts'
import { fillTemplate, readTemplate } from './template.ts'
import { devicePathFault, filledStringsOf } from './resource.ts'
import type { FilledKey } from './resource.ts'
import type { Monitor, Policy, RenderedPolicy, RenderedResource, Resource } from './model.ts'

export interface RenderInput {
  readonly policy: Policy
  /** Absolute path of the prepared bundle. */
  readonly bundle: string
  /** Text of a file of the bundle, by its path in the bundle. */
  text(path: string): string
  readonly facts: Facts
  readonly labels?: Readonly<Record<string, string>>
}

/**
 * Negative POLICY_FACT_MISSING names a tag without a value on this device; POLICY_TEMPLATE_INVALID a template that cannot
 * be filled in; POLICY_PATH_NOT_ABSOLUTE a path that came out relative or climbing.
 */
export function renderPolicy(input: RenderInput): RenderedPolicy {
  const { policy, bundle } = input
  const scope = scopeOf(input)
  return {
    policy,
    bundle,
    resources: policy.resources.map((resource) => resourceOf(resource, input, scope)),
    ...(policy.guard && { guard: policy.guard.map((path) => guardOf(rendered(path, 'guard', scope))) }),
  }
}

function guardOf(path: string): string {
  requireDevicePath(path, 'guard')
  return path
}

function requireDevicePath(path: string, where: string): void {
  const fault = devicePathFault(path)
  if (fault !== undefined)
    throw new Negative('POLICY_PATH_NOT_ABSOLUTE', {
      message: fault,
      where,
      next: 'Correct the parameter or fact that the path is made of.',
    })
}

/** The monitors with their texts filled in. Errors as above. */
export function renderMonitors(input: RenderInput): Monitor[] {
  const scope = scopeOf(input)
  return input.policy.monitors.map((monitor) => {
    const fill = (text: string): string => rendered(text, `monitor ${monitor.name}`, scope)
    return { ...monitor, check: filledCheck(monitor.check, fill) }
  })
}

function scopeOf({ policy: { parameters }, bundle, facts, labels }: RenderInput): Readonly<Record<string, unknown>> {
  return { ...parameters, parameters, facts, labels: labels ?? {}, bundle: { path: bundle } }
}

function resourceOf(
  resource: Resource,
  input: RenderInput,
  scope: Readonly<Record<string, unknown>>,
): RenderedResource {
  const filled: { [key in FilledKey]?: string } = {}
  for (const [key, text] of filledStringsOf(resource)) filled[key] = rendered(text, `${resource.id} ${key}`, scope)
  if (filled.path !== undefined) requireDevicePath(filled.path, resource.id)
  if (resource.kind !== 'file') return { ...resource, ...filled }
  const { from, ...file } = resource
  if (!from) return { ...file, ...filled }
  switch (from.type) {
    case 'content':
      return { ...file, ...filled, from: { type: 'text', text: from.text } }
    case 'source':
      return { ...file, ...filled, from: { type: 'copy', path: `${input.bundle}/${from.file}` } }
    case 'template':
      return { ...file, ...filled, from: { type: 'text', text: rendered(input.text(from.file), from.file, scope) } }
  }
}

function rendered(text: string, where: string, scope: Readonly<Record<string, unknown>>): string {
  const template = readTemplate(text)
  if (!('tokens' in template)) throw invalid(template, where)
  const { text: result, faults } = fillTemplate(template, scope)
  const missing = faults.find((fault) => fault.name !== undefined)
  if (missing) {
    const section = `{{#${missing.name}}}…{{/${missing.name}}}`
    const next = `Give it a value, or put the text that needs it between ${section}.`
    throw new Negative('POLICY_FACT_MISSING', {
      message: `${missing.message.slice(0, -1)} on this device.`,
      where,
      next,
    })
  }
  if (faults[0]) throw invalid(faults[0], where)
  return result
}

function invalid(fault: { readonly message: string; readonly next?: string }, where: string): Negative {
  return new Negative('POLICY_TEMPLATE_INVALID', {
    message: fault.message,
    where,
    ...(fault.next === undefined ? {} : { next: fault.next }),
  })
}
