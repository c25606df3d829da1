import { describe, expect, it } from 'vitest'
import { parsePolicy } from '#policy/parse.ts'
import { formatProblem } from '#policy/problem.ts'
import { found, problemsOf } from './folder.ts'

describe('a template', () => {
  const text =
    'policy: a\nparameters: { banner: x, list: [1], site: { city: y } }\nresources:\n  - file: { path: /a, template: t }\n'
  const inTemplate = (template: string): string[] =>
    problemsOf(text, { 'files/t': template }).map((problem) => formatProblem(problem))

  it('with an unknown parameter is told at its own line and column', () => {
    expect(inTemplate('ok {{banner}}\n  {{baner}} {{parameters.lst}}')).toEqual([
      'files/t:2:3: {{baner}} has no value. Did you mean "banner"?',
      'files/t:2:13: {{parameters.lst}} has no value. Did you mean "list"?',
    ])
  })

  it('may name any fact, any label, the bundle and what is in its parameters', () => {
    const names = '{{facts.os.family}} {{labels.role}} {{bundle.path}} {{site.city}} {{parameters.site.city}}'
    expect(inTemplate(`${names} {{#facts.disks}}{{.}} {{anything}}{{/facts.disks}}`)).toEqual([])
  })

  it.each([
    ['a section without end', 'a\n{{#list}}x', '2:1: The section {{#list}} has no end. Close it with {{/list}}.'],
    [
      'an end without section',
      'a {{/list}}',
      '1:3: {{/list}} closes a section that is not open. Open it with {{#list}} before, or leave this out.',
    ],
    ['a tag without end', 'abc {{banner', '1:5: This tag has no end. End the tag with }}.'],
    [
      'a partial',
      '{{> head}}',
      '1:1: {{> head}} asks for a partial; templates here have none. Put the text into this template.',
    ],
    ['a list in a tag', '{{list}}', '1:1: {{list}} is a list. Write {{#list}}{{.}} {{/list}} to go through it.'],
    ['a map in a tag', '{{site}}', '1:1: {{site}} is a map. Name what is in it: {{site.city}}.'],
  ])('with %s is told so', (_, template, line) => {
    expect(inTemplate(template)).toEqual([`files/t:${line}`])
  })

  it('in a path or command is checked as well', () => {
    expect(found('policy: a\nresources:\n  - command: { run: "echo {{nme}}" }\n')).toEqual([
      'POLICY_TEMPLATE_INVALID 3:21',
    ])
  })

  it('that is no text, or too large, is told at the policy', () => {
    const files = { has: () => 5, text: () => undefined }
    expect(parsePolicy(text, files).problems[0]).toMatchObject({ code: 'POLICY_TEMPLATE_INVALID', line: 4 })
    const large = { has: () => 2_000_000, text: () => 'x' }
    expect(parsePolicy(text, large).problems[0]).toMatchObject({ code: 'POLICY_TOO_LARGE', line: 4 })
  })
})
