import { describe, expect, it } from 'vitest'
import { puppetCompiler } from '#policy/compile/puppet.ts'
import { renderedOf, type Wanted } from '../../contracts/engine.ts'
import { goldenSuite } from './golden.ts'

describe('the Puppet compiler', () => {
  goldenSuite(puppetCompiler, 'files/site.pp')

  it('writes every text so that it neither ends its string nor holds a variable', () => {
    const hostile = "/${facts}/$files/\\'/\\/', owner => 'x/\"#{1}\"/é\ud83d\ude00"
    const wanted: Wanted[] = [
      { kind: 'file', path: hostile, state: 'present', from: { type: 'text', text: hostile }, owner: hostile },
      { kind: 'file', path: `${hostile}/b`, state: 'present', from: { type: 'copy', path: `${hostile}[]` } },
      { kind: 'file', path: `${hostile}/c`, state: 'absent' },
      { kind: 'directory', path: hostile, group: hostile },
      { kind: 'command', run: hostile },
    ]
    const [manifest] = puppetCompiler.compile(renderedOf(wanted, hostile))
    const strings: string[] = []
    const rest = (manifest?.text ?? '').replaceAll(/'((?:[^'\\]|\\['\\])*)'/g, (_, text: string) => {
      strings.push(text.replaceAll(/\\(['\\])/g, '$1'))
      return "''"
    })
    // What is left is ours alone; the strings are the texts as they were.
    expect(rest).not.toMatch(/facts|owner => 'x|#\{|[^\n\x20-\x7e]/)
    expect(new Set(strings.filter((text) => text.includes('facts')))).toEqual(
      new Set([
        `${hostile}/compiled/puppet/files`,
        hostile.slice(0, hostile.lastIndexOf('/')),
        hostile,
        `${hostile}/b`,
        `${hostile}/c`,
        `${hostile}[]`,
      ]),
    )
  })

  it('refuses a path that two files have after rendering, since Puppet would refuse the whole manifest', () => {
    const wanted: Wanted[] = [
      { kind: 'file', path: '/a', state: 'absent' },
      { kind: 'file', path: '/a', state: 'present', from: { type: 'text', text: '' } },
    ]
    const told = expect.objectContaining({ code: 'COMPILE_TEXT_UNSUPPORTED', where: '1:file' }) as Error
    expect(() => puppetCompiler.compile(renderedOf(wanted, '/b'))).toThrow(told)
  })
})
