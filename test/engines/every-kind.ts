/** Every kind of resource applied for real, twice: on a device whose packages, services and shutdown are the test's own. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { basename, join } from 'node:path'
import { programFolders } from '#engines/command.ts'
import type { Engine } from '#engines/engine.ts'
import { isInstalled } from '../support/tool.ts'
import { AptRoot } from './apt-root.ts'
import { Scratch, type Wanted } from '../contracts/engine.ts'

/** `engineFor` takes the folders of programs; `leader` begins the command line of the tool, which must not end itself. */
export function everyKindSuite(engineFor: (programs: readonly string[]) => Engine, leader: string): void {
  let scratch: Scratch
  beforeEach(async () => {
    scratch = await Scratch.make()
  })
  afterEach(() => scratch.remove())
  const at = (name: string): string => join(scratch.root, name)

  describe.skipIf(!isInstalled('apt-get'))(
    'every kind of resource (needs apt and dpkg: apt-get install apt dpkg)',
    () => {
      const name = `grapevine-test-${process.pid}`
      /** A device whose packages, services and shutdown are the test's own. */
      const device = async (): Promise<Engine> => {
        const bin = join(scratch.folder, 'bin')
        const apt = await AptRoot.make(scratch.folder)
        await mkdir(join(scratch.bundle, 'packages'))
        for (const version of ['1.9', '1.10']) await apt.build(version, join(scratch.bundle, 'packages'))
        const env = Object.entries(apt.env).map(([key, value]) => `export ${key}='${value}'\n`)
        const runs = `'${join(scratch.folder, 'runs')}'`
        const service = `case "$*" in\n*status* | *is-active*) [ -e ${runs} ] ;;\n*start*) touch ${runs} ;;\n*is-enabled*) false ;;\nesac`
        const stubs = {
          dpkg: apt.dpkg,
          ...Object.fromEntries(
            ['apt-get', 'apt-cache', 'dpkg-query'].map((tool) => [tool, `${env.join('')}exec /usr/bin/${tool} "$@"`]),
          ),
          service,
          systemctl: service,
          shutdown: `echo "$*" >>'${join(scratch.folder, 'shutdowns')}'`,
        }
        await mkdir(bin)
        for (const [tool, script] of Object.entries(stubs)) {
          await writeFile(join(bin, tool), `#!/bin/sh\n${script}\n`)
          await chmod(join(bin, tool), 0o755)
        }
        return engineFor([bin, ...programFolders])
      }
      const wanted = (): Wanted[] => [
        { kind: 'package', name: 'grapevine-sample', state: 'present', version: '1.9' },
        { kind: 'package', name: 'grapevine-absent', state: 'absent' },
        { kind: 'file', path: at('conf/made'), state: 'present', from: { type: 'text', text: 'x' }, mode: '0640' },
        { kind: 'file', path: at('gone'), state: 'absent' },
        { kind: 'line', path: at('conf/lines'), line: 'k=1', match: '^k=' },
        { kind: 'directory', path: at('made/d'), mode: '0700', owner: userInfo().username },
        { kind: 'service', name: 'grapevine-sample', state: 'running' },
        {
          kind: 'process',
          match: `^sh -c : ${name}; while`,
          state: 'running',
          start: `exec sh -c ': ${name}; while sleep 0.1; do :; done'`,
        },
        {
          kind: 'command',
          run: `echo "it's {{ done }}" '\${x} $x' >'${at('done')}'`,
          unless: `test -e '${at('done')}'`,
        },
        { kind: 'command', run: `touch '${at('never')}'`, onlyIf: 'false' },
        { kind: 'reboot', when: 'once' },
        { kind: 'patch', patch: 'SUSE-2026-1234' },
      ]

      it('is told by an observation, made so by an apply, and left alone by the next', async () => {
        const own = await device()
        await writeFile(at('gone'), 'x')
        const run = await scratch.compiled(own, wanted())
        const before = await scratch.state()
        const findings = await own.observe(run, 1)
        expect(await scratch.state()).toEqual(before)
        const patch = { outcome: 'failed', reason: expect.stringMatching(/^patches are a matter of zypper/) as string }
        expect(findings.map(({ resource, wanted: what, seen }) => [resource, what, seen])).toEqual([
          ['0:package', 'present 1.9', 'not installed'],
          ['2:file', 'the content of the policy, mode 0640', 'missing'],
          ['3:file', 'absent', 'present'],
          ['4:line', 'k=1', 'missing'],
          ['5:directory', expect.stringMatching(/^a directory, mode 0700, owner /), 'missing'],
          ['6:service', 'running', 'stopped, disabled'],
          ['7:process', 'running', 'not running'],
          ['8:command', `success of test -e '${at('done')}'`, 'unless does not hold'],
          ['10:reboot', 'one reboot', 'not rebooted yet'],
          ['11:patch', 'applied', patch.reason],
        ])
        const outcomes = async (): Promise<unknown[]> =>
          (await own.apply(run)).map(({ outcome, reason }) => (reason === undefined ? outcome : { outcome, reason }))
        const skipped = { outcome: 'skipped', reason: 'onlyIf does not hold' }
        expect(await outcomes()).toEqual([
          'repaired',
          'kept',
          ...Array.from({ length: 7 }, () => 'repaired'),
          skipped,
          'repaired',
          patch,
        ])
        const state = await scratch.state()
        expect(state).toEqual([
          'conf 755 /',
          'conf/lines 644 k=1\n',
          'conf/made 640 x',
          "done 644 it's {{ done }} ${x} $x\n",
          'made 755 /',
          'made/d 700 /',
        ])
        expect(await readFile(join(scratch.folder, 'root/opt/sample'), 'utf8')).toBe('1.9')
        expect(await outcomes()).toEqual([...Array.from({ length: 9 }, () => 'kept'), skipped, 'kept', patch])
        expect(await scratch.state()).toEqual(state)
        expect(await readFile(join(scratch.folder, 'shutdowns'), 'utf8')).toMatch(/^-r \+1 .*\n$/)
        // And the other way: what must not be there any more.
        const end = await scratch.compiled(own, [
          { kind: 'package', name: 'grapevine-sample', state: 'latest' },
          { kind: 'process', match: name, state: 'absent' },
          // Never the agent itself, or those that started it; only ours are named.
          { kind: 'process', match: `${leader}.*${basename(scratch.folder)}`, state: 'absent' },
          { kind: 'package', name: 'grapevine-sample', state: 'absent' },
        ])
        expect((await own.apply(end)).map(({ outcome }) => outcome)).toEqual([
          'repaired',
          'repaired',
          'kept',
          'repaired',
        ])
      })
    },
  )
}
