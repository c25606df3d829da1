import { describe, expect, it } from 'vitest'
import type { Engine, EngineName } from '#engines/engine.ts'
import { chooseEngine } from '#engines/installed.ts'
import { PretendEngine } from '#engines/pretend.ts'

class Named extends PretendEngine {
  override readonly name: never
  readonly #version: string | undefined

  constructor(name: EngineName, version: string | undefined) {
    super('/nowhere')
    this.name = name as never
    this.#version = version
  }

  override version(): Promise<string | undefined> {
    return Promise.resolve(this.#version)
  }
}

describe('the engine for a policy', () => {
  const engines: Engine[] = [new Named('puppet', undefined), new Named('cfengine', '3'), new Named('ansible', '2')]

  it('is the best installed one where the policy leaves it open', async () => {
    expect((await chooseEngine('auto', engines))?.name).toBe('cfengine')
  })

  it('is the one that the policy names, if it is installed', async () => {
    expect((await chooseEngine('ansible', engines))?.name).toBe('ansible')
    expect(await chooseEngine('puppet', engines)).toBeUndefined()
  })

  it('is none where none is installed', async () => {
    expect(await chooseEngine('auto', [])).toBeUndefined()
  })

  it('named by the policy is never the pretend engine in its stead', async () => {
    expect(await chooseEngine('cfengine', [new PretendEngine('/nowhere')])).toBeUndefined()
  })
})
