/** What a device lets itself be told, with a real home on disk and no daemon. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { day, hour, toTimestamp, instant } from '#base/time.ts'
import { joinFleet } from '#node/enrolment.ts'
import { initOrigin } from '#node/origin-setup.ts'
import { pause, resume } from '#node/pause.ts'
import { Session } from '#node/session.ts'
import { createToken } from '#node/token-desk.ts'

let folder: string
let session: Session
const home = (name: string): string => join(folder, name)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-pause-'))
  const listen = undefined
  await initOrigin({ home: home('origin'), fleet: 'acme', site: 'origin', name: 'origin', listen })
  const origin = await Session.open(home('origin'))
  const { token } = await createToken(origin, { site: 'berlin' })
  await origin.close()
  await joinFleet({ home: home('client'), token, listen, bootstrap: undefined, name: 'client' })
  session = await Session.open(home('client'))
})
afterEach(async () => {
  await session.close()
  await rm(folder, { recursive: true, force: true })
})

const inHours = (hours: number): number => Date.now() + hours * hour

describe('pausing', () => {
  it('is kept over a restart without a daemon, shown in status, and lifted again', async () => {
    const until = inHours(4)
    const made = await pause(session, { until, reason: '  stocktaking ' })
    expect(made.changed).toEqual(made.pauses)
    expect(made.pauses).toEqual([
      { bundle: null, since: expect.any(String), until: toTimestamp(instant(until)), reason: 'stocktaking' },
    ])
    await session.close()
    session = await Session.open(home('client'))
    expect((await session.status()).pauses).toEqual(made.pauses)
    expect(await resume(session, {})).toEqual({ changed: made.pauses, pauses: [] })
    expect(await resume(session, {})).toEqual({ changed: [], pauses: [] })
    await session.close()
    session = await Session.open(home('client'))
    expect((await session.status()).pauses).toEqual([])
  })

  it.each([
    ['a time in the past', () => ({ until: inHours(-1), reason: 'x' }), 'PAUSE_INVALID'],
    ['more than 90 days', () => ({ until: Date.now() + 91 * day, reason: 'x' }), 'PAUSE_INVALID'],
    ['no time', () => ({ reason: 'x' }), 'PAUSE_INVALID'],
    ['no reason', () => ({ until: inHours(1) }), 'PAUSE_INVALID'],
    ['a reason of blanks', () => ({ until: inHours(1), reason: '  ' }), 'PAUSE_INVALID'],
    ['two lines of reason', () => ({ until: inHours(1), reason: 'a\nb' }), 'PAUSE_INVALID'],
    ['a reason that is too long', () => ({ until: inHours(1), reason: 'x'.repeat(201) }), 'PAUSE_INVALID'],
    ['a bundle that is not published', () => ({ until: inHours(1), reason: 'x', bundle: 'web' }), 'BUNDLE_UNKNOWN'],
  ])('with %s pauses nothing', async (_what, args, code) => {
    await expect(pause(session, args())).rejects.toMatchObject({ code })
    expect(session.member.agent?.pauses.list()).toEqual([])
  })

  it('is bounded in number; the same again takes no place', async () => {
    const until = inHours(1)
    for (let index = 0; index < 15; index++)
      session.feed({ type: 'pause', pause: { bundle: `b${index}`, since: 1, until, reason: 'x' } })
    await pause(session, { until, reason: 'sixteenth' })
    await pause(session, { until, reason: 'again' })
    session.feed({ type: 'resume' })
    for (let index = 0; index < 16; index++)
      session.feed({ type: 'pause', pause: { bundle: `b${index}`, since: 1, until, reason: 'x' } })
    await expect(pause(session, { until, reason: 'one more' })).rejects.toMatchObject({ code: 'PAUSES_TOO_MANY' })
  })

  it('of one bundle is lifted by its name only where there is such a pause', async () => {
    const until = inHours(1)
    session.feed({ type: 'pause', pause: { bundle: 'web', since: 1, until, reason: 'x' } })
    await expect(resume(session, { bundle: 'wbe' })).rejects.toMatchObject({
      code: 'NOT_PAUSED',
      exitCode: 1,
      next: 'Did you mean "web"?',
    })
    expect((await resume(session, { bundle: 'web' })).changed).toHaveLength(1)
    await expect(resume(session, { bundle: 'web' })).rejects.toMatchObject({ next: 'Nothing is paused here.' })
  })

  it('is for devices: an origin applies nothing', async () => {
    await session.close()
    session = await Session.open(home('origin'))
    await expect(pause(session, { until: inHours(1), reason: 'x' })).rejects.toMatchObject({ code: 'APPLIES_NOTHING' })
  })
})
