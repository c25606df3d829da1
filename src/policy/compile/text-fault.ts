/**
 * What no engine can say of a resource: a NUL, a line of two lines, a pattern that PCRE does not read as JavaScript does. CFEngine has
 * more that it cannot say (cfengine.ts).
 */
import { Negative } from '#base/errors.ts'
import { cfPattern, patternTraps } from './quote.ts'
import type { RenderedResource, Resource } from '../model.ts'

/** CFEngine cuts or refuses strings above 4096 bytes, and escapes may triple a text; the same limit for all, so that `auto` means one thing. */
const lineLengthMax = 1000

/** One sentence, or undefined. */
export function textFaultOf(resource: Resource | RenderedResource): string | undefined {
  for (const [key, value] of Object.entries(resource) as [string, unknown][])
    if (typeof value === 'string' && value.includes('\0')) return `${key} holds a NUL character.`
  if (resource.kind === 'process') return patternFault(resource.match)
  if (resource.kind !== 'line') return undefined
  if (/[\r\n]/.test(resource.line)) return 'the line holds a line break.'
  if (resource.line.length + (resource.match ?? '').length > lineLengthMax)
    return `line and match together are longer than ${lineLengthMax} characters.`
  return resource.match === undefined ? undefined : patternFault(resource.match)
}

const patternFault = (pattern: string): string | undefined =>
  cfPattern(pattern) === undefined
    ? `"${pattern}" means something else in PCRE, which engines use: write it without ${patternTraps}.`
    : undefined

/** The error of a text that came out, on the device, such that an engine cannot say it. */
export const unsayable = ({ id }: RenderedResource, message: string): Negative =>
  new Negative('COMPILE_TEXT_UNSUPPORTED', {
    message,
    where: id,
    next: 'Correct the parameter or fact that the text is made of.',
  })
