/**
 * What is wrong with a template, as far as it can be known before a device fills it in: its tags, and the names that are
 * no parameter. Facts and labels are known on the device only, so any name below `facts.` and `labels.` passes.
 */
import { fillTemplate, readTemplate, unknownYet } from './template.ts'
import { nearest } from './suggestion.ts'
import { reservedParameters } from './limits.ts'
import type { TemplateFault } from './template.ts'

export function templateFaults(text: string, parameters: Readonly<Record<string, unknown>>): TemplateFault[] {
  const template = readTemplate(text)
  if (!('tokens' in template)) return [template]
  const scope = { ...parameters, parameters, facts: unknownYet, labels: unknownYet, bundle: { path: unknownYet } }
  return fillTemplate(template, scope).faults.map((fault) => {
    if (fault.name === undefined) return fault
    return { ...fault, next: advice(fault.name, Object.keys(parameters)) }
  })
}

function advice(name: string, parameters: readonly string[]): string {
  const [first = '', second = ''] = name.split('.')
  const below = first === 'parameters'
  const wanted = below ? second : first
  const guess = nearest(wanted, below ? parameters : [...parameters, ...reservedParameters])
  if (guess === wanted) return `Look at what ${below ? 'parameters.' : ''}${guess} holds.`
  if (guess !== undefined) return `Did you mean "${guess}"?`
  return `Add ${wanted || 'a name'} to parameters, or take it from facts, such as {{facts.os.family}}.`
}
