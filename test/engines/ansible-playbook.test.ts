/** A playbook that the policy brings, run as it is by a real ansible-playbook. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AnsibleEngine } from '#engines/ansible.ts'
import { Scratch, policyOf } from '../contracts/engine.ts'

// A run of Ansible takes seconds, and many times that on a machine that has other things to do.
vi.setConfig({ testTimeout: 240_000 })

const installed = (await new AnsibleEngine().version()) !== undefined

describe.skipIf(!installed)("Ansible's own playbook (needs ansible-playbook: apt-get install ansible-core)", () => {
  const engine = new AnsibleEngine()
  let scratch: Scratch
  beforeEach(async () => {
    scratch = await Scratch.make()
  })
  afterEach(() => scratch.remove())
  const at = (name: string): string => join(scratch.root, name)

  const raw = policyOf({ engine: 'ansible', raw: { engine: 'ansible', entry: 'files/site.yml' } })
  const withEntry = async (text: string): Promise<Awaited<ReturnType<Scratch['compiled']>>> => {
    await mkdir(join(scratch.bundle, 'files'), { recursive: true })
    await writeFile(join(scratch.bundle, 'files', 'site.yml'), text, { mode: 0o444 })
    return scratch.compiled(engine, [], raw)
  }

  it('is run as it is, with the roles beside it, and each task is a result', async () => {
    const tasks = join(scratch.bundle, 'files', 'roles', 'web', 'tasks')
    await mkdir(tasks, { recursive: true })
    await writeFile(
      join(tasks, 'main.yml'),
      `- name: conf\n  copy: { content: "{{ greeting }}", dest: '${at('conf')}', mode: '0640' }\n`,
    )
    const run = await withEntry(`- hosts: all
  gather_facts: false
  vars: { greeting: hello }
  roles: [web]
  tasks:
    - { name: ignored, command: /bin/false, ignore_errors: true }
    - name: loop
      command: { cmd: "touch '{{ item }}'", creates: "{{ item }}" }
      loop: ['${at('a')}', '${at('b')}']
    - block: [{ name: breaks, command: /bin/false }]
      rescue: [{ name: mends, debug: { msg: x } }]
    - { name: elsewhere, command: /bin/true, when: false }
`)
    await engine.check(run)
    expect(await engine.observe(run, 1)).toEqual([
      {
        bundle: 'sample',
        resource: '0:raw:web : conf',
        path: at('conf'),
        wanted: 'nothing to change',
        seen: 'would change',
        since: 1,
      },
      { bundle: 'sample', resource: '2:raw:loop', wanted: 'nothing to change', seen: 'would change', since: 1 },
    ])
    expect(await scratch.state()).toEqual([])
    const told = async (): Promise<string[]> =>
      (await engine.apply(run)).map(
        ({ id, outcome, reason }) => `${id} ${outcome}${reason === undefined ? '' : `: ${reason}`}`,
      )
    const rest = [
      '1:raw:ignored skipped: failed, which the playbook ignores: non-zero return code',
      '3:raw:breaks skipped: failed, and was rescued: non-zero return code',
      '4:raw:mends kept',
      '5:raw:elsewhere skipped: Conditional result was False',
    ]
    expect(await told()).toEqual(['0:raw:web : conf repaired', '2:raw:loop repaired', ...rest].sort())
    expect(await scratch.state()).toEqual(['a 644 ', 'b 644 ', 'conf 640 hello'])
    expect(await told()).toEqual(['0:raw:web : conf kept', '2:raw:loop kept', ...rest].sort())
    expect(await readdir(join(scratch.bundle, 'files'))).toEqual(['roles', 'site.yml'])
  })

  it('that fails tells which task and why, and what came before it', async () => {
    const run = await withEntry(`- hosts: localhost
  gather_facts: false
  tasks:
    - { name: first, command: /bin/true }
    - { name: second, shell: "echo no such luck >&2; exit 3" }
    - { name: third, command: /bin/true }
`)
    expect(await engine.apply(run)).toEqual([
      { id: '0:raw:first', kind: 'raw', outcome: 'repaired' },
      { id: '1:raw:second', kind: 'raw', outcome: 'failed', reason: 'non-zero return code | no such luck' },
    ])
  })

  it('that is faulty, or for other machines only, is refused with the place', async () => {
    const run = await withEntry('- hosts: all\n  tasks:\n    - { nonsense: x }\n')
    const words = expect.stringMatching(/site\.yml:3:7: .*nonsense/) as string
    await expect(engine.check(run)).rejects.toMatchObject({ code: 'ENGINE_SYNTAX', message: words })
    await expect(engine.apply(run)).rejects.toMatchObject({ code: 'ENGINE_FAILED', message: words })
    const other = await withEntry('- hosts: webservers\n  tasks: [{ command: /bin/true }]\n')
    await expect(engine.apply(other)).rejects.toMatchObject({
      code: 'ENGINE_FAILED',
      message: expect.stringMatching(/hosts: localhost/) as string,
    })
  })
})
