/** What an origin can take back of what it published, with a real home on disk and no network. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { initOrigin } from '#node/origin-setup.ts'
import { publish, type PublishDocument } from '#node/publish.ts'
import { rollback, versions } from '#node/rollback.ts'
import { Session } from '#node/session.ts'
import { unpublish } from '#node/unpublish.ts'
import { madeBytes } from '../contracts/chunk-store.ts'

let folder: string
let session: Session

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-rollback-'))
  await initOrigin({ home: join(folder, 'home'), fleet: 'acme', site: 'origin', name: 'origin', listen: undefined })
  await open()
})
afterEach(async () => {
  await session.close()
  await rm(folder, { recursive: true, force: true })
})

async function open(config?: string): Promise<void> {
  if (config !== undefined) await writeFile(join(folder, 'home/config.yaml'), config)
  session = await Session.open(join(folder, 'home'))
  await session.load()
}

/** Publishes a policy whose package is made from `label`. */
async function publishAs(name: string, label: string, urgent = false): Promise<PublishDocument['bundles'][number]> {
  const dir = join(folder, name)
  await mkdir(join(dir, 'packages'), { recursive: true })
  await writeFile(join(dir, 'policy.yaml'), `policy: ${name}\nresources:\n  - directory: { path: /srv/app }\n`)
  await writeFile(join(dir, 'packages/tool.deb'), madeBytes(label, 100_000))
  const { bundles } = await publish(session, { dirs: [dir], urgent }, () => {})
  const [bundle] = bundles
  if (!bundle) throw new TypeError('the policy of this test is faulty')
  return bundle
}
const inForce = (name: string) => session.member.protocol.self.set.bundles().find((bundle) => bundle.name === name)
const listed = async (name: string): Promise<string[]> =>
  (await versions(session, { name })).versions.map(({ version, complete }) => `${version}${complete ? '' : ' gone'}`)

describe('a rollback', () => {
  it('signs the very manifest of the older version under the next number, and what stays is told as unchanged', async () => {
    for (const label of ['one', 'two', 'three']) await publishAs('web', label)
    const first = (await versions(session, { name: 'web' })).versions.at(-1)
    expect(first).toMatchObject({ version: 1, files: 2, complete: true, from: null, urgent: false })
    const made = await rollback(session, { name: 'web', to: 1 })
    expect(made).toMatchObject({ release: 5, name: 'web', version: 4, from: 1, files: 2, changed: true, urgent: false })
    const manifest = inForce('web')?.manifest
    expect(await rollback(session, { name: 'web', to: 4 })).toMatchObject({ release: 5, version: 4, changed: false })
    expect(await rollback(session, { name: 'web', to: 1 })).toMatchObject({ release: 5, version: 4, changed: false })
    expect(await publishAs('web', 'one')).toMatchObject({ version: 4, changed: false, newBytes: 0 })
    expect(await publishAs('web', 'four')).toMatchObject({ version: 5, changed: true })
    await rollback(session, { name: 'web', to: 4 })
    expect(inForce('web')).toMatchObject({ version: 6, manifest })
  })

  it('says which versions there are where it is asked for another, and for a name the nearest one', async () => {
    await publishAs('web', 'one')
    await publishAs('web', 'two')
    await expect(rollback(session, { name: 'web', to: 7 })).rejects.toMatchObject({
      code: 'VERSION_UNKNOWN',
      exitCode: 1,
      message: expect.stringMatching(/here are those of 2, 1\./),
    })
    await expect(versions(session, { name: 'wbe' })).rejects.toMatchObject({
      code: 'BUNDLE_UNKNOWN',
      next: 'Did you mean "web"?',
    })
    expect(session.member.protocol.self.set.release).toBe(3)
  })

  it('reaches back as far as disk.versions says, also after a restart, and no further', async () => {
    await session.close()
    await open('disk: { versions: 3 }\n')
    for (const label of ['one', 'two', 'three', 'four', 'five']) await publishAs('web', label)
    await session.sweep()
    await session.close()
    await open()
    await session.sweep()
    expect(await listed('web')).toEqual(['5', '4', '3'])
    expect(await rollback(session, { name: 'web', to: 3 })).toMatchObject({ version: 6, changed: true })
  })

  it('of a version whose bytes are gone is refused, and it is listed as gone', async () => {
    await publishAs('web', 'one')
    const gone = inForce('web')?.manifest.digest
    await publishAs('web', 'two')
    if (gone) await session.store.remove(gone)
    expect(await listed('web')).toEqual(['2', '1 gone'])
    await expect(rollback(session, { name: 'web', to: 1 })).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' })
  })
})

describe('withdrawing', () => {
  it('takes all named bundles out of the next release, or none', async () => {
    for (const name of ['web', 'till', 'mail']) await publishAs(name, name)
    await expect(unpublish(session, { names: ['web', 'tilt'] })).rejects.toMatchObject({
      code: 'BUNDLE_UNKNOWN',
      next: 'Did you mean "till"?',
    })
    expect(session.member.protocol.self.set.release).toBe(4)
    expect(await unpublish(session, { names: ['web', 'till', 'web'] })).toEqual({
      release: 5,
      withdrawn: ['web', 'till'],
    })
    expect(session.member.protocol.self.set.bundles().map(({ name }) => name)).toEqual(['mail'])
    await expect(unpublish(session, { names: ['web'] })).rejects.toMatchObject({ code: 'BUNDLE_UNKNOWN' })
  })

  it('keeps contents so that a rollback brings them back, and never gives a number twice', async () => {
    await publishAs('web', 'one')
    await unpublish(session, { names: ['web'] })
    await session.sweep()
    await session.close()
    await open()
    expect(await versions(session, { name: 'web' })).toMatchObject({ version: null, withdrawn: expect.any(String) })
    expect(await rollback(session, { name: 'web', to: 1 })).toMatchObject({ version: 2, changed: true })
    await unpublish(session, { names: ['web'] })
    expect(await publishAs('web', 'one')).toMatchObject({ version: 3, changed: true, newBytes: 0 })
  })
})

describe('what is urgent', () => {
  it('is said in the signed target; the same contents become urgent by a new version of their own', async () => {
    expect(await publishAs('web', 'one')).toMatchObject({ version: 1, urgent: false })
    const manifest = inForce('web')?.manifest
    expect(await publishAs('web', 'one', true)).toMatchObject({ version: 2, urgent: true, changed: true, newBytes: 0 })
    expect(inForce('web')).toMatchObject({ manifest, custom: { urgent: true } })
    expect(await publishAs('web', 'one', true)).toMatchObject({ version: 2, urgent: true, changed: false })
    expect(await publishAs('web', 'one')).toMatchObject({ version: 2, urgent: true, changed: false })
    expect(await publishAs('web', 'two')).toMatchObject({ version: 3, urgent: false, changed: true })
    expect(inForce('web')?.custom).not.toHaveProperty('urgent')
    expect(await rollback(session, { name: 'web', to: 2, urgent: true })).toMatchObject({ version: 4, urgent: true })
    expect(inForce('web')?.custom).toMatchObject({ urgent: true })
  })
})
