/**
 * The same policy for every compiler, kind by kind, against golden files: `test/vectors/compile/<engine>/<kind>/`. To renew them after a
 * wanted change: UPDATE_VECTORS=1.
 */
import { expect, it } from 'vitest'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Compiler } from '#policy/compile/compiler.ts'
import { policyOf, renderedOf, type Wanted } from '../../contracts/engine.ts'

const bundle = '/bundles/sample/1'

const kinds: Record<string, Wanted[]> = {
  package: [
    { kind: 'package', name: 'nginx', state: 'present', version: '>=1.22' },
    { kind: 'package', name: "odd'name", state: 'absent' },
  ],
  patch: [{ kind: 'patch', patch: 'SUSE-2026-1234' }],
  file: [
    { kind: 'file', path: '/etc/issue.net', state: 'present', from: { type: 'text', text: 'Hello\n' }, mode: '0644' },
    {
      kind: 'file',
      path: '/etc/tool',
      state: 'present',
      from: { type: 'copy', path: `${bundle}/files/tool` },
      owner: 'app',
    },
    { kind: 'file', path: '/etc/motd', state: 'absent' },
  ],
  line: [
    { kind: 'line', path: '/etc/ssh/sshd_config', match: '^#?PermitRootLogin', line: 'PermitRootLogin no' },
    { kind: 'line', path: '/etc/hosts', line: '127.0.0.1 $(x)' },
  ],
  directory: [{ kind: 'directory', path: '/srv/app', owner: 'app', group: 'app', mode: '0750' }],
  service: [{ kind: 'service', name: 'nginx', state: 'running', enabled: true }],
  process: [
    { kind: 'process', match: 'telnetd', state: 'absent' },
    { kind: 'process', match: '^app', state: 'running', start: 'app --daemon' },
  ],
  command: [{ kind: 'command', run: "echo it's $(x)", unless: 'test -e /x', onlyIf: 'true' }],
  reboot: [
    { kind: 'reboot', when: 'needed' },
    { kind: 'reboot', when: 'once' },
  ],
}

/** `entry` is the name of a policy of the engine's own. */
export function goldenSuite(compiler: Compiler, entry: string): void {
  for (const [kind, wanted] of Object.entries(kinds))
    it(`writes a ${kind} as in its golden files`, () => {
      const files = compiler.compile(renderedOf(wanted, bundle))
      const folder = join(import.meta.dirname, '..', '..', 'vectors', 'compile', compiler.engine, kind)
      if (process.env['UPDATE_VECTORS'] === '1') {
        rmSync(folder, { recursive: true, force: true })
        for (const file of files) {
          mkdirSync(dirname(join(folder, file.path)), { recursive: true })
          writeFileSync(join(folder, file.path), file.text)
        }
      }
      for (const { path, text } of files)
        expect({ path, text }).toEqual({ path, text: readFileSync(join(folder, path), 'utf8') })
    })

  it('writes files that only their owner can read', () => {
    const files = compiler.compile(renderedOf(Object.values(kinds).flat(), bundle))
    expect(files.length).toBeGreaterThan(10)
    for (const { path, mode } of files)
      expect({ path, mode }).toEqual({ path, mode: path.endsWith('.sh') ? 0o700 : 0o600 })
  })

  it("names the entry of the engine's own policy and writes nothing else", () => {
    const policy = policyOf({ raw: { engine: 'cfengine', entry } })
    const [list, ...others] = compiler.compile(renderedOf([], bundle, policy))
    expect(others).toEqual([])
    expect(JSON.parse(list?.text ?? '')).toEqual({ raw: entry, resources: [] })
  })

  it('writes the same for the same policy', () => {
    const once = compiler.compile(renderedOf(kinds['file'] ?? [], bundle))
    expect(compiler.compile(renderedOf(kinds['file'] ?? [], bundle))).toEqual(once)
  })
}
