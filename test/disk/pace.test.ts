/** A quick disk is used on the spot, a slow one through the thread pool. */
import { expect, it } from 'vitest'
import { Pace } from '#disk/pace.ts'

it('after one slow call the next ones take the patient way for a while, and then it is tried again', async () => {
  let now = 0
  const pace = new Pace(() => now)
  const call = (ms: number): Promise<string> =>
    pace.take(
      () => {
        now += ms
        return 'quick'
      },
      () => Promise.resolve('patient'),
    )
  expect([await call(1), await call(5), await call(6)]).toEqual(['quick', 'quick', 'quick'])
  expect(await call(1)).toBe('patient')
  now += 249
  expect(await call(1)).toBe('patient')
  now += 1
  expect([await call(1), await call(1)]).toEqual(['quick', 'quick'])
})

it('a call that fails slowly counts as well, and its error passes', async () => {
  let now = 0
  const pace = new Pace(() => now)
  const failing = pace.take(
    () => {
      now += 60
      throw new TypeError('no')
    },
    () => Promise.resolve('patient'),
  )
  await expect(failing).rejects.toThrow('no')
  expect(
    await pace.take(
      () => 'quick',
      () => Promise.resolve('patient'),
    ),
  ).toBe('patient')
})
