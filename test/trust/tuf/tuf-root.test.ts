/** A plain TUF client and the roots of a repository, by the numbers of the list of attacks (TUF 1.0.34 §5.3). */
import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '#base/bytes.ts'
import { codeFrom, pen, TufReader, TufRepository, versionsIn, type Bends } from '../../support/tuf-repository.ts'

const expire = (signed: Record<string, unknown>): void => {
  signed['expires'] = '2026-11-23T00:00:00Z'
}

describe('root', () => {
  const rooted = (change: (repository: TufRepository) => void): { repository: TufRepository; reader: TufReader } => {
    const repository = new TufRepository()
    const reader = new TufReader(repository)
    reader.refresh()
    change(repository)
    return { repository, reader }
  }
  const next = (repository: TufRepository, labels: string[], signers: string[], bends: Bends = {}): void => {
    repository.roles.root.version++
    repository.roles.root.pens = labels.map((label) => pen(label))
    repository.publishRoot(
      bends,
      signers.map((label) => pen(label)),
    )
  }

  it.each([
    [33, 'that the keys before did not sign', ['new'], ['new'], {}, 'METADATA_SIGNATURE'],
    [34, 'that its own keys did not sign', ['new'], ['root'], {}, 'METADATA_SIGNATURE'],
    [
      35,
      'that skips a version',
      ['root'],
      ['root'],
      { signed: { root: (s: Record<string, unknown>): void => void (s['version'] = 3) } },
      'METADATA_ROLLBACK',
    ],
    [
      36,
      'of the same version',
      ['root'],
      ['root'],
      { signed: { root: (s: Record<string, unknown>): void => void (s['version'] = 1) } },
      'METADATA_ROLLBACK',
    ],
    [
      37,
      'that lacks a role',
      ['root'],
      ['root'],
      {
        signed: {
          root: (s: Record<string, unknown>): void =>
            void delete (s['roles'] as object as Record<string, unknown>)['snapshot'],
        },
      },
      'METADATA_MALFORMED',
    ],
  ] as const)('%i: one %s is refused', (_number, _name, labels, signers, bends, code) => {
    const { reader } = rooted((repository) => next(repository, [...labels], [...signers], bends))
    expect(codeFrom(() => reader.refresh())).toBe(code)
    expect(versionsIn(reader)).toEqual({ root: 1, timestamp: 1, snapshot: 1, targets: 1 })
  })

  it('38: an expired last root is kept, and nothing else is updated', () => {
    const { repository, reader } = rooted((changed) => next(changed, ['root'], ['root'], { signed: { root: expire } }))
    repository.next()
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_EXPIRED')
    expect(versionsIn(reader)).toEqual({ root: 2, timestamp: 1, snapshot: 1, targets: 1 })
  })

  it('39: an expired root on the way does not matter', () => {
    const { reader } = rooted((repository) => {
      next(repository, ['root'], ['root'], { signed: { root: expire } })
      next(repository, ['root'], ['root'])
    })
    expect(reader.refresh().root.version).toBe(3)
  })

  it('40: a key that was replaced signs nothing any more', () => {
    const { repository, reader } = rooted((changed) => {
      changed.roles.timestamp.pens = [pen('new timestamp')]
      next(changed, ['root'], ['root'])
    })
    repository.roles.timestamp.pens = [pen('timestamp')]
    repository.next()
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_SIGNATURE')
  })

  it('41: stops after 256 roots, and goes on with the next refresh', () => {
    const { reader } = rooted((repository) => {
      for (let count = 0; count < 257; count++) next(repository, ['root'], ['root'])
    })
    expect([reader.refresh().root.version, reader.refresh().root.version]).toEqual([257, 258])
  })

  it.each([
    ['is not signed', (bytes: Uint8Array) => utf8((textOf(bytes) ?? '').replace(/"sig":"../, '"sig":"00'))],
    ['is cut off', (bytes: Uint8Array) => bytes.subarray(0, 100)],
  ])('42: a first root that %s is refused without a request', (_name, bend) => {
    const { repository, reader } = rooted(() => {})
    repository.requests.length = 0
    reader.folder.set('root.json', bend(reader.folder.get('root.json') ?? new Uint8Array()))
    expect(codeFrom(() => reader.refresh())).toMatch(/^METADATA_/)
    expect(repository.requests).toEqual([])
  })
})
