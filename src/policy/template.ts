/**
 * Mustache templates without HTML escaping, partials and lambdas. The mustache library reads them; we fill them in
 * ourselves, because the library looks names up in prototypes (`{{constructor}}` calls a function) and writes nothing for
 * a name that is missing, where a half-empty configuration file would be applied.
 *
 * | tag                        | gives                                                                            |
 * |----------------------------|----------------------------------------------------------------------------------|
 * | `{{a.b}}` `{{{a}}}` `{{&a}}` | the text, number or boolean; a fault where it is missing, null, a list or a map |
 * | `{{#a}}…{{/a}}`            | … once for each of a list, once with the value, or not at all where it is missing |
 * | `{{^a}}…{{/a}}`            | … where it is missing, false, "", 0 or an empty list                              |
 * | `{{! …}}` `{{=<% %>=}}`    | nothing; other delimiters from here on                                            |
 */
import Mustache from 'mustache'
import { messageOf } from '#base/errors.ts'

export const templateBytesMax = 1_048_576
const outputLengthMax = 4_194_304
/** Tags filled in for one template; nested lists would otherwise multiply without end. */
const stepsMax = 200_000

type Token = readonly [type: string, name: string, start: number, end: number, ...rest: unknown[]]
type Scope = Readonly<Record<string, unknown>>

export interface Template {
  readonly text: string
  readonly tokens: readonly Token[]
}

export interface TemplateFault {
  readonly message: string
  readonly next?: string
  /** Offset in the template's text. */
  readonly offset: number
  /** The name that could not be filled in, where that is what is wrong. */
  readonly name?: string
}

/** Stands in a scope for what only the device knows: any name below it is taken as known. */
export const unknownYet: unique symbol = Symbol('known on the device only')

/** True for a text that has a tag. */
export const isTemplate = (text: string): boolean => text.includes('{{')

/** The template, or what is wrong with its tags. */
export function readTemplate(text: string): Template | TemplateFault {
  if (text.length > templateBytesMax)
    return { message: `The template is longer than ${templateBytesMax} characters.`, offset: 0 }
  const writer = new Mustache.Writer()
  let tokens: readonly Token[]
  try {
    tokens = writer.parse(text) as readonly Token[]
  } catch (error) {
    const words = messageOf(error)
    const offset = / at (\d+)$/.exec(words)?.[1]
    return explain(text, words.replace(/ at \d+$/, ''), offset === undefined ? 0 : Number(offset))
  }
  return partialIn(tokens) ?? { text, tokens }
}

/** The text of a template over `scope`, and what could not be filled in; the text is of use only where there are no faults. */
export function fillTemplate(template: Template, scope: Scope): { text: string; faults: readonly TemplateFault[] } {
  const filling: Filling = { template, parts: [], length: 0, steps: 0, faults: new Map() }
  fill(template.tokens, [scope], filling)
  return { text: filling.parts.join(''), faults: [...filling.faults.values()].sort((a, b) => a.offset - b.offset) }
}

interface Filling {
  readonly template: Template
  readonly parts: string[]
  length: number
  steps: number
  /** By offset, so that a tag inside a list is told once. */
  readonly faults: Map<number, TemplateFault>
}

function fill(tokens: readonly Token[], scopes: readonly unknown[], filling: Filling): void {
  for (const token of tokens) {
    if (++filling.steps > stepsMax || filling.length > outputLengthMax) {
      filling.faults.set(0, { message: 'The template fills in to more than 4 MiB or 200,000 tags.', offset: 0 })
      return
    }
    const [type, name] = token
    switch (type) {
      case 'text':
        put(name, filling)
        break
      case 'name':
      case '&':
        put(textOfTag(token, lookUp(name, scopes), filling), filling)
        break
      case '#':
        fillSection(token, scopes, filling)
        break
      case '^': {
        const value = lookUp(name, scopes)
        if (value === unknownYet || isFalsy(value)) fill(innerOf(token), scopes, filling)
        break
      }
    }
  }
}

function fillSection(token: Token, scopes: readonly unknown[], filling: Filling): void {
  const value = lookUp(token[1], scopes)
  if (value !== unknownYet && isFalsy(value)) return
  const items = Array.isArray(value) ? (value as unknown[]) : [value === true ? undefined : value]
  for (const item of items) fill(innerOf(token), item === undefined ? scopes : [...scopes, item], filling)
}

function put(text: string, filling: Filling): void {
  filling.parts.push(text)
  filling.length += text.length
}

function textOfTag(token: Token, value: unknown, filling: Filling): string {
  const [, name, offset] = token
  if (value === unknownYet) return ''
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return String(value)
  if (Array.isArray(value)) {
    const next = `Write {{#${name}}}{{.}} {{/${name}}} to go through it.`
    filling.faults.set(offset, { message: `{{${name}}} is a list.`, next, offset })
  } else if (typeof value === 'object' && value !== null) {
    const inside = Object.keys(value)
      .slice(0, 8)
      .map((key) => `{{${name}.${key}}}`)
    filling.faults.set(offset, {
      message: `{{${name}}} is a map.`,
      next: `Name what is in it: ${inside.join(', ')}.`,
      offset,
    })
  } else filling.faults.set(offset, { message: `{{${name}}} has no value.`, offset, name })
  return ''
}

/** From the innermost scope outwards, the first that has the whole dotted name; own members only. */
function lookUp(name: string, scopes: readonly unknown[]): unknown {
  const innermost = scopes.at(-1)
  if (name === '.') return innermost
  const steps = name.split('.')
  let unsure = false
  for (let i = scopes.length - 1; i >= 0; i--) {
    const value = follow(scopes[i], steps)
    if (value === unknownYet) unsure = true
    else if (value !== undefined) return value
  }
  return unsure ? unknownYet : undefined
}

function follow(scope: unknown, steps: readonly string[]): unknown {
  let value = scope
  for (const step of steps) {
    if (value === unknownYet) return unknownYet
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step))
      return undefined
    value = (value as Record<string, unknown>)[step]
  }
  return value
}

function isFalsy(value: unknown): boolean {
  return !value || (Array.isArray(value) && value.length === 0)
}

function innerOf(token: Token): readonly Token[] {
  return token[4] as readonly Token[]
}

function partialIn(tokens: readonly Token[]): TemplateFault | undefined {
  for (const token of tokens) {
    if (token[0] === '>') {
      const message = `{{> ${token[1]}}} asks for a partial; templates here have none.`
      return { message, next: 'Put the text into this template.', offset: token[2] }
    }
    const inside = token[0] === '#' || token[0] === '^' ? partialIn(innerOf(token)) : undefined
    if (inside) return inside
  }
  return undefined
}

/** The library tells of a section that is not closed at the place where it missed the end; the reader wants the beginning. */
function explain(text: string, words: string, at: number): TemplateFault {
  const name = /"(.*)"/.exec(words)?.[1] ?? ''
  if (words.startsWith('Unclosed section')) {
    const opening = Math.max(text.lastIndexOf(`{{#${name}`, at), text.lastIndexOf(`{{^${name}`, at))
    const offset = opening < 0 ? at : opening
    return { message: `The section {{#${name}}} has no end.`, next: `Close it with {{/${name}}}.`, offset }
  }
  if (words.startsWith('Unopened section')) {
    const next = `Open it with {{#${name}}} before, or leave this out.`
    return { message: `{{/${name}}} closes a section that is not open.`, next, offset: at }
  }
  if (words.startsWith('Unclosed tag')) {
    const opening = text.lastIndexOf('{{', at)
    const next = 'End the tag with }}.'
    return { message: 'This tag has no end.', next, offset: opening < 0 ? at : opening }
  }
  return { message: `${words}.`, offset: at }
}
