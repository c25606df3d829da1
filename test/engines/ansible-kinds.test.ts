/** Every kind of resource by a real ansible-playbook. */
import { describe, vi } from 'vitest'
import { AnsibleEngine } from '#engines/ansible.ts'
import { everyKindSuite } from './every-kind.ts'

// A run of Ansible takes seconds, and many times that on a machine that has other things to do.
vi.setConfig({ testTimeout: 240_000 })

const installed = (await new AnsibleEngine().version()) !== undefined

describe.skipIf(!installed)('Ansible (needs ansible-playbook: apt-get install ansible-core)', () => {
  everyKindSuite((programs) => new AnsibleEngine(programs), 'ansible-playbook')
})
