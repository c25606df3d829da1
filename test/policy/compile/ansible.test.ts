import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { ansibleCompiler } from '#policy/compile/ansible.ts'
import { renderedOf, type Wanted } from '../../contracts/engine.ts'
import { goldenSuite } from './golden.ts'

describe('the Ansible compiler', () => {
  goldenSuite(ansibleCompiler, 'files/site.yml')

  it('writes every text so that Ansible neither templates it nor reads anything else from it', () => {
    const hostile = `/{{ lookup('pipe', 'id') }}/{% raw %}/!unsafe "x" 'y' # z: [a] \\n\u2028\u0085\u00e9\ud83d\ude00 $home`
    const wanted: Wanted[] = [
      { kind: 'file', path: hostile, state: 'present', from: { type: 'text', text: hostile }, owner: hostile },
      { kind: 'file', path: hostile, state: 'present', from: { type: 'copy', path: hostile } },
      { kind: 'file', path: hostile, state: 'absent' },
      { kind: 'directory', path: hostile, group: hostile },
      { kind: 'command', run: hostile },
    ]
    const [playbook] = ansibleCompiler.compile(renderedOf(wanted, '/b'))
    const text = playbook?.text ?? ''
    // Outside of !unsafe strings nothing of it is there; the file is plain ASCII.
    expect(text).toMatch(/^[\n\x20-\x7e]*$/)
    expect(text.replaceAll(/!unsafe "(?:[^"\\]|\\.)*"/g, '""')).not.toMatch(/lookup\('pipe|raw %|home/)
    const unsafe: unknown[] = []
    const tag = { tag: '!unsafe', resolve: (value: string) => unsafe.push(value) && value }
    parse(text, { customTags: [tag] })
    expect(new Set(unsafe)).toEqual(new Set([hostile, hostile.slice(0, hostile.lastIndexOf('/'))]))
  })

  it('writes a playbook that has nothing to do for a policy that wants nothing', () => {
    const [playbook] = ansibleCompiler.compile(renderedOf([], '/b'))
    expect(parse(playbook?.text ?? '')).toMatchObject([{ hosts: 'localhost', tasks: [] }])
  })
})
