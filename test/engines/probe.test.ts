import { describe, expect, it } from 'vitest'
import { readFile } from 'node:fs/promises'
import { factAt } from '#facts/inventory.ts'
import { collectFacts } from '#engines/probe.ts'

const from = (text: string | undefined): ReturnType<typeof collectFacts> => collectFacts(() => Promise.resolve(text))

describe('the facts of a device', () => {
  it.each([
    ['ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"', 'debian', 'debian', '12', 'Debian GNU/Linux 12'],
    ['ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nNAME=Ubuntu', 'debian', 'ubuntu', '24.04', 'Ubuntu'],
    [
      'ID=\'opensuse-leap\'\nID_LIKE="suse opensuse"\nVERSION_ID=15.6',
      'suse',
      'opensuse-leap',
      '15.6',
      'opensuse-leap',
    ],
    ['ID="sles"\nVERSION_ID="15.5"\nNAME="a \\"b\\""', 'suse', 'sles', '15.5', 'a "b"'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', 'redhat', 'rocky', 'unknown', 'rocky'],
    ['# nothing\nGARBAGE', 'unknown', 'unknown', 'unknown', 'unknown'],
  ])('name the system of %j', async (text, family, id, version, name) => {
    const facts = await from(text)
    expect(facts['os']).toMatchObject({ family, id, version, name })
  })

  it('are there without any file', async () => {
    const facts = await from(undefined)
    expect(factAt(facts, 'os.family')).toBe('unknown')
    expect(factAt(facts, 'hostname')).toMatch(/./)
    expect(factAt(facts, 'memoryMiB')).toBeGreaterThan(16)
    expect(factAt(facts, 'cpus')).toBeGreaterThan(0)
  })

  it('of this machine come quickly and are short', async () => {
    const begin = performance.now()
    const facts = await collectFacts((path) => readFile(path, 'utf8').catch(() => undefined))
    expect(performance.now() - begin).toBeLessThan(200)
    expect(JSON.stringify(facts).length).toBeLessThan(1000)
    expect(factAt(facts, 'os.arch')).toMatch(/./)
  })

  it('are cut where a system says too much of itself', async () => {
    expect(factAt(await from(`ID=x\nPRETTY_NAME="${'y'.repeat(10_000)}"`), 'os.name')).toHaveLength(128)
  })
})
