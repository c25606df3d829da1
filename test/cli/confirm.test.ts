import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { confirm, type Terminal } from '../../src/cli/confirm.ts'

/** A terminal at which somebody types, or closes it. */
function terminal(typed: string | undefined, isTTY = true): Terminal {
  const emitter = new EventEmitter()
  queueMicrotask(() => (typed === undefined ? emitter.emit('end') : emitter.emit('data', Buffer.from(typed))))
  return Object.assign(emitter, { isTTY, pause: () => {} })
}

describe('asking first', () => {
  it.each([
    ['yes\n', true],
    [' YES \n', true],
    ['y\n', false],
    ['\n', false],
    ['yes please\n', false],
    [undefined, false],
  ])('takes %j as %s', async (typed, answer) => {
    const said: string[] = []
    expect(await confirm('Leave?', { input: terminal(typed), say: (text) => said.push(text) })).toBe(answer)
    expect(said).toEqual(['Leave? Type yes: '])
  })

  it('asks nobody where there is no terminal', async () => {
    const asked = confirm('Leave?', { input: terminal('yes\n', false), say: () => {} })
    await expect(asked).rejects.toMatchObject({ code: 'UNCONFIRMED', exitCode: 2 })
  })
})
