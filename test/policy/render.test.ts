import { describe, expect, it } from 'vitest'
import { Negative } from '#base/errors.ts'
import { renderPolicy } from '#policy/render.ts'
import type { Facts } from '#facts/inventory.ts'
import type { RenderedResource } from '#policy/model.ts'
import { parsed } from './folder.ts'

const device: Facts = { os: { family: 'debian' }, host: 'web1', disks: ['sda', 'sdb'] }

/** The resources of a policy on a device, where it names no unknown facts. */
function rendered(
  yaml: string,
  files: Readonly<Record<string, string>> = {},
  facts = device,
): readonly RenderedResource[] {
  const policy = parsed(`policy: a\n${yaml}`, files)
  const text = (path: string): string => files[path] ?? `no ${path}`
  return renderPolicy({ policy, bundle: '/b/a/1', text, facts, labels: { role: 'web' } }).resources
}
const template = (text: string, parameters = '{}', facts = device): string => {
  const yaml = `parameters: ${parameters}\nresources:\n  - file: { path: /a, template: t }\n`
  const [file] = rendered(yaml, { 'files/t': text }, facts)
  const from = file?.kind === 'file' ? file.from : undefined
  return from?.type === 'text' ? from.text : 'no text'
}
function refusal(act: () => unknown): Negative {
  try {
    act()
  } catch (error) {
    if (error instanceof Negative) return error
    throw error
  }
  return expect.fail('it was rendered')
}

describe('a template on a device', () => {
  it('is filled in from parameters, facts, labels and the bundle, without HTML escapes', () => {
    const text = '{{banner}} {{{parameters.banner}}} {{&facts.host}} {{labels.role}} {{bundle.path}}'
    expect(template(text, '{ banner: "<a & b>" }')).toBe('<a & b> <a & b> web1 web /b/a/1')
  })

  it('repeats a section for each of a list and keeps lines that hold only a tag out', () => {
    const text = 'disks:\n{{#facts.disks}}\n- {{.}}\n{{/facts.disks}}\nend\n'
    expect(template(text)).toBe('disks:\n- sda\n- sdb\nend\n')
  })

  it('goes into maps, and back out to what is around them', () => {
    const parameters = '{ proxy: { host: p1 }, users: [{ name: ann, shell: zsh }, { name: bob }] }'
    expect(template('{{#proxy}}{{host}} on {{facts.host}}{{/proxy}}', parameters)).toBe('p1 on web1')
    expect(template('{{#users}}{{name}}{{#shell}}:{{shell}}{{/shell}} {{/users}}', parameters)).toBe('ann:zsh bob ')
  })

  it('writes numbers, true and false, and takes 0, false, "" and [] as no for a section', () => {
    const parameters = '{ none: 0, no: false, empty: "", list: [], yes: true }'
    expect(template('{{none}} {{no}} {{yes}} [{{empty}}]', parameters)).toBe('0 false true []')
    expect(template('{{#none}}a{{/none}}{{#list}}b{{/list}}{{^no}}c{{/no}}{{#yes}}d{{/yes}}', parameters)).toBe('cd')
  })

  it('with a fact that this device has not is an error that names it, not an empty text', () => {
    const error = refusal(() => template('x {{facts.os.name}}'))
    expect(error).toMatchObject({ code: 'POLICY_FACT_MISSING', where: 'files/t' })
    expect(error.message).toBe('{{facts.os.name}} has no value on this device.')
    expect(error.next).toContain('{{#facts.os.name}}')
  })

  it('with a fact only in a section of its own is filled in on every device', () => {
    const text = '{{#facts.proxy}}proxy={{facts.proxy}}{{/facts.proxy}}{{^facts.proxy}}direct{{/facts.proxy}}'
    expect(template(text)).toBe('direct')
    expect(template(text, '{}', { proxy: 'p1' })).toBe('proxy=p1')
  })

  it('cannot reach prototypes, functions or the length of a text', () => {
    for (const name of ['facts.constructor', 'facts.__proto__', 'facts.host.length', 'facts.disks.0', 'facts.toString'])
      expect(refusal(() => template(`{{${name}}}`)).code).toBe('POLICY_FACT_MISSING')
  })

  it('with a map or list of facts in a tag is an error', () => {
    expect(refusal(() => template('{{facts.os}}')).code).toBe('POLICY_TEMPLATE_INVALID')
    expect(refusal(() => template('{{facts.disks}}')).message).toBe('{{facts.disks}} is a list.')
  })

  it('does not fill in tags that came out of a value', () => {
    expect(template('{{facts.host}}', '{}', { host: '{{labels.role}}' })).toBe('{{labels.role}}')
  })

  it('of lists within lists ends instead of filling the memory', () => {
    const list = `[${'1, '.repeat(400)}1]`
    const nested = `${'{{#facts.list}}'.repeat(8)}x${'{{/facts.list}}'.repeat(8)}`
    const facts = { list: JSON.parse(list).map(String) as string[] }
    expect(refusal(() => template(nested, '{}', facts))).toMatchObject({ code: 'POLICY_TEMPLATE_INVALID' })
  })
})

describe('resources on a device', () => {
  it('have their strings filled in and keep their ids', () => {
    const yaml = [
      'parameters: { app: shop }',
      'resources:',
      '  - directory: { path: "/srv/{{app}}" }',
      '  - line: { path: /etc/hosts, line: "127.0.1.1 {{facts.host}}", match: "{{x}}|a" }',
      '  - command: { run: "touch {{bundle.path}}/x", unless: "test {{facts.os.family}} = suse", onlyIf: "true {{app}}" }',
      '  - process: { match: x, state: running, start: "run {{app}}" }',
      '  - package: { name: "{{app}}-agent" }',
      '  - service: { name: "{{app}}", state: running }',
    ].join('\n')
    expect(rendered(yaml)).toEqual([
      { kind: 'directory', id: '0:directory:/srv/{{app}}', path: '/srv/shop' },
      { kind: 'line', id: '1:line:/etc/hosts', path: '/etc/hosts', line: '127.0.1.1 web1', match: '{{x}}|a' },
      {
        kind: 'command',
        id: '2:command:touch {{bundle.path}}/x',
        run: 'touch /b/a/1/x',
        unless: 'test debian = suse',
        onlyIf: 'true shop',
      },
      { kind: 'process', id: '3:process:x', match: 'x', state: 'running', start: 'run shop' },
      { kind: 'package', id: '4:package:{{app}}-agent', name: 'shop-agent', state: 'present' },
      { kind: 'service', id: '5:service:{{app}}', name: 'shop', state: 'running' },
    ])
  })

  it('that are files have their final text, or the absolute path of what is copied', () => {
    const yaml = [
      'resources:',
      '  - file: { path: /a, source: s, mode: "644" }',
      '  - file: { path: /b, content: "{{as it is}}" }',
      '  - file: { path: /c, state: absent }',
    ].join('\n')
    expect(rendered(yaml, { 'files/s': '{{no template}}' })).toEqual([
      {
        kind: 'file',
        id: '0:file:/a',
        path: '/a',
        state: 'present',
        mode: '0644',
        from: { type: 'copy', path: '/b/a/1/files/s' },
      },
      { kind: 'file', id: '1:file:/b', path: '/b', state: 'present', from: { type: 'text', text: '{{as it is}}' } },
      { kind: 'file', id: '2:file:/c', path: '/c', state: 'absent' },
    ])
  })

  it.each(['../etc/passwd', 'x', '/a/../b', '/', '/a\nb'])('whose path comes out as %j are refused', (home) => {
    const yaml = 'resources:\n  - directory: { path: "{{facts.home}}" }\n'
    expect(refusal(() => rendered(yaml, {}, { home })).code).toBe('POLICY_PATH_NOT_ABSOLUTE')
  })

  it('with a missing fact in a string name the resource and the field', () => {
    const yaml = 'resources:\n  - command: { run: "x {{facts.gone}}" }\n'
    expect(refusal(() => rendered(yaml))).toMatchObject({
      code: 'POLICY_FACT_MISSING',
      where: '0:command:x {{facts.gone}} run',
    })
  })
})
