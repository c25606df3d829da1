/** The demo as a newcomer meets it: whole, interrupted, and on a machine without cf-agent. */
import { readdir } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DemoMember } from '../../src/cli/demo/demo-member.ts'
import { Bench, entry, until } from '../support/program.ts'

let bench: Bench
beforeEach(async () => {
  bench = await Bench.make()
})
afterEach(() => bench.end())

/** Folders of demos whose temporary folder is ours: other demos may run on this machine. */
const left = async (): Promise<string[]> =>
  (await readdir(bench.folder)).filter((name) => name.startsWith('grapevine-demo-'))

describe('grapevine demo', () => {
  it('ends with one document in which every client applied and every report arrived, and leaves no file', async () => {
    const answer = await bench.run(['demo', '--json'], { TMPDIR: bench.folder })
    expect(answer.code, answer.stderr).toBe(0)
    expect(answer.stdout.trim().split('\n')).toHaveLength(1)
    expect(answer.json).toMatchObject({
      members: 7,
      release: 2,
      applied: 5,
      reports: 5,
      sites: [{ name: 'berlin' }, { name: 'lyon' }],
    })
    for (const site of answer.json['sites'] as unknown as {
      factor: number
      wanDownBytes: number
      neededBytes: number
    }[]) {
      expect(site.wanDownBytes).toBeGreaterThan(1_000_000)
      expect(site.factor).toBeLessThan(1.1)
    }
    expect(Number(answer.json['seconds'])).toBeLessThan(60)
    expect(await left()).toEqual([])
  }, 70_000)

  it('without cf-agent says so in one line with the install command, and applies with the engine called pretend', async () => {
    const answer = await bench.run(['demo', '--json'], { TMPDIR: bench.folder, GRAPEVINE_ENGINE_PATH: bench.folder })
    expect([answer.code, answer.json['applied']]).toEqual([0, 5])
    expect(answer.stderr).toMatch(/^cf-agent is not installed \(apt-get install cfengine3\): .*pretend/)
  }, 70_000)

  it.each([
    ['SIGINT', 130],
    ['SIGHUP', 129],
    ['a closed pipe', 141],
  ] as const)(
    'interrupted by %s leaves no process and no file',
    async (how, code) => {
      const demo = spawn(process.execPath, [entry, 'demo'], {
        env: { ...process.env, TMPDIR: bench.folder },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      const exited = new Promise<number | null>((resolve) => demo.once('exit', (status) => resolve(status)))
      await until('its folder', async () => (await left()).length > 0)
      if (how === 'a closed pipe') demo.stderr?.destroy()
      else {
        demo.stderr?.resume()
        await new Promise((resolve) => setTimeout(resolve, 2_000))
        demo.kill(how)
      }
      expect(await exited).toBe(code)
      expect(await left()).toEqual([])
    },
    40_000,
  )

  it('a member that ends early is told with its words', async () => {
    const member = new DemoMember('ghost', 'berlin', bench.path('nowhere'))
    await expect(member.start()).rejects.toMatchObject({
      code: 'DEMO_MEMBER_ENDED',
      message: expect.stringContaining('HOME_NOT_FOUND') as string,
    })
  })
})
