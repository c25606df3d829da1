import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PretendEngine } from '#engines/pretend.ts'
import { Scratch, engineContract } from '../contracts/engine.ts'

describe('the pretend engine', () => {
  engineContract(
    (root) => new PretendEngine(root),
    (_root, path) => path,
  )

  let scratch: Scratch
  beforeEach(async () => {
    scratch = await Scratch.make()
  })
  afterEach(() => scratch.remove())

  it('skips what it cannot pretend, by name, and runs no command', async () => {
    const engine = new PretendEngine(scratch.root)
    const run = await scratch.compiled(engine, [
      { kind: 'command', run: `touch '${scratch.root}/ran'` },
      { kind: 'package', name: 'nginx', state: 'present' },
    ])
    expect(await engine.apply(run)).toEqual([
      { id: '0:command', kind: 'command', outcome: 'skipped', reason: 'the pretend engine does no command' },
      { id: '1:package', kind: 'package', outcome: 'skipped', reason: 'the pretend engine does no package' },
    ])
    expect(await engine.observe(run, 1)).toEqual([])
    expect(await scratch.state()).toEqual([])
  })

  it('stops at the signal of its caller: ENGINE_STOPPED', async () => {
    const engine = new PretendEngine(scratch.root)
    const run = await scratch.compiled(engine, [{ kind: 'directory', path: '/a' }])
    await expect(engine.apply({ ...run, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ENGINE_STOPPED',
    })
    expect(await scratch.state()).toEqual([])
  })
})
