/** A plain TUF client that is led back, held up or sent astray, by the numbers of the list of attacks (TUF 1.0.34 §5). */
import { describe, expect, it } from 'vitest'
import { utf8 } from '#base/bytes.ts'
import { after, day, instant } from '#base/time.ts'
import { TargetCheck } from '#trust/tuf/target-check.ts'
import { findTarget } from '#trust/tuf/tuf-update.ts'
import { codeFrom, now, pen, signAgain, TufReader, TufRepository, versionsIn } from '../../support/tuf-repository.ts'

describe('rollback and freeze', () => {
  const begun = (): { repository: TufRepository; reader: TufReader } => {
    const repository = new TufRepository()
    for (let count = 0; count < 4; count++) repository.next()
    const reader = new TufReader(repository)
    reader.refresh()
    return { repository, reader }
  }
  const back = (
    repository: TufRepository,
    versions: Partial<Record<'timestamp' | 'snapshot' | 'targets', number>>,
  ): void => {
    for (const [name, version] of Object.entries(versions))
      repository.roles[name as 'timestamp' | 'snapshot' | 'targets'].version = version
    repository.publish()
  }

  it('43: an older timestamp is refused', () => {
    const { repository, reader } = begun()
    back(repository, { timestamp: 4 })
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_ROLLBACK')
  })

  it('44: another timestamp of the same version changes nothing', () => {
    const { repository, reader } = begun()
    const before = reader.folder.get('timestamp.json')
    back(repository, { snapshot: 6 })
    expect(reader.refresh().snapshot.version).toBe(5)
    expect(reader.folder.get('timestamp.json')).toBe(before)
  })

  it('45: a newer timestamp with an older snapshot is refused', () => {
    const { repository, reader } = begun()
    back(repository, { timestamp: 6, snapshot: 4 })
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_ROLLBACK')
  })

  it('47: an old snapshot under the new name is refused', () => {
    const { repository, reader } = begun()
    const old = repository.served.get('5.snapshot.json') ?? new Uint8Array()
    repository.next()
    repository.served.set('6.snapshot.json', old)
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_HASH')
    expect(versionsIn(reader)['snapshot']).toBe(5)
  })

  it('50, 51: after a leap to version 1000 there is no way back, but by new keys of timestamp and snapshot', () => {
    const { repository, reader } = begun()
    back(repository, { timestamp: 1000, snapshot: 1000, targets: 6 })
    reader.refresh()
    back(repository, { timestamp: 7, snapshot: 7, targets: 7 })
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_ROLLBACK')
    repository.roles.root.version = 2
    repository.roles.snapshot.pens = [pen('new snapshot')]
    repository.publishRoot()
    repository.publish()
    expect(reader.refresh().timestamp.version).toBe(7)
  })

  it('53: a stored timestamp that expired is no answer to an equal one', () => {
    const { reader } = begun()
    reader.now = after(now, 31 * day)
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_EXPIRED')
  })

  it('54: a torn timestamp on disk is none, and everything else still guards against going back', () => {
    const { repository, reader } = begun()
    reader.folder.set('timestamp.json', utf8('{"signed":'))
    back(repository, { timestamp: 4, snapshot: 4 })
    // The snapshot on disk lists targets 5.
    repository.roles.targets.version = 3
    repository.publish()
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_ROLLBACK')
  })

  it('75: a snapshot that is not there leaves what was verified, and the next refresh goes on', () => {
    const { repository, reader } = begun()
    repository.next()
    const snapshot = repository.served.get('6.snapshot.json')
    repository.served.delete('6.snapshot.json')
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_HASH')
    expect(versionsIn(reader)).toEqual({ root: 1, timestamp: 6, snapshot: 5, targets: 5 })
    repository.served.set('6.snapshot.json', snapshot ?? new Uint8Array())
    expect(reader.refresh().snapshot.version).toBe(6)
  })

  it('57: a clock that was thirty years ahead does no lasting harm', () => {
    const { reader } = begun()
    reader.now = instant(now + 30 * 365 * day)
    expect(codeFrom(() => reader.refresh())).toBe('METADATA_EXPIRED')
    reader.now = now
    expect(codeFrom(() => reader.refresh())).toBe('accepted')
  })
})

describe('delegations', () => {
  const search = (repository: TufRepository, path: string): string => {
    repository.next()
    const reader = new TufReader(repository)
    const set = reader.refresh()
    return codeFrom(() => reader.drive(findTarget(set, path)))
  }
  const holding = (paths: string[], target: string, more: object = {}): TufRepository => {
    const repository = new TufRepository()
    repository.delegate('team', { paths, targets: { [target]: utf8('x') }, ...more })
    return repository
  }

  it('60: a delegated role is not signed by the key of its parent', () => {
    expect(search(holding(['a/*'], 'a/b'), 'a/b')).toBe('accepted')
    const repository = holding(['a/*'], 'a/b')
    repository.next({ file: { team: (file) => signAgain(file, pen('targets')) } })
    const reader = new TufReader(repository)
    const set = reader.refresh()
    expect(codeFrom(() => reader.drive(findTarget(set, 'a/b')))).toBe('METADATA_SIGNATURE')
  })

  it('61: a role that the snapshot does not list is not asked for', () => {
    const repository = holding(['a/*'], 'a/b')
    repository.next({
      signed: { snapshot: (signed) => delete (signed['meta'] as Record<string, unknown>)['team.json'] },
    })
    const reader = new TufReader(repository)
    const set = reader.refresh()
    repository.requests.length = 0
    expect(codeFrom(() => reader.drive(findTarget(set, 'a/b')))).toBe('METADATA_MALFORMED')
    expect(repository.requests).toEqual([])
  })

  it.each([
    ['a/b', true],
    ['a/*', true],
    ['a/?', true],
    ['a/[a-c]', true],
    ['a/[!a-c]', false],
    ['*', false],
    ['a*', false],
    ['A/b', false],
    ['a/b/', false],
    ['*/b', true],
    ['a/**', true],
  ])('62: the pattern %s speaks for a/b: %s', (pattern, does) => {
    expect(search(holding([pattern], 'a/b'), 'a/b')).toBe(does ? 'accepted' : 'TARGET_UNKNOWN')
  })

  it('63: by the beginning of the digest of the path', () => {
    // SHA-256 of "a/b" begins with c14cddc0.
    const bins = (prefix: string): TufRepository => {
      const repository = new TufRepository()
      repository.delegate('bin', { path_hash_prefixes: [prefix], targets: { 'a/b': utf8('x') } })
      return repository
    }
    expect([search(bins('c1'), 'a/b'), search(bins('c2'), 'a/b')]).toEqual(['accepted', 'TARGET_UNKNOWN'])
  })

  it.each([
    [64, 'both paths and prefixes', { paths: ['*'], path_hash_prefixes: ['00'] }],
    [65, 'the name of a top role', { name: 'snapshot' }],
  ])('%i: a delegation with %s is none', (_number, _name, more) => {
    const repository = new TufRepository()
    repository.delegate('team', more)
    repository.next()
    expect(codeFrom(() => new TufReader(repository).refresh())).toBe('METADATA_MALFORMED')
  })

  it('65: two delegations of one name are none', () => {
    const repository = new TufRepository()
    repository.delegate('team')
    repository.delegate('team')
    repository.next()
    expect(codeFrom(() => new TufReader(repository).refresh())).toBe('METADATA_MALFORMED')
  })

  it('66: a circle and a chain of forty roles end', () => {
    const circle = new TufRepository()
    circle.delegate('a')
    circle.delegate('b', { parent: 'a' })
    circle.delegate('a', { parent: 'b' })
    expect(search(circle, 'x')).toBe('TARGET_UNKNOWN')
    const chain = new TufRepository()
    for (let n = 0; n < 40; n++) chain.delegate(`r${n}`, { parent: n === 0 ? 'targets' : `r${n - 1}` })
    const last = chain.delegated.at(-1)
    if (last) last.targets['x'] = utf8('x')
    expect(search(chain, 'x')).toBe('TARGET_UNKNOWN')
  })

  it('67: a terminating delegation keeps those after it from speaking', () => {
    const repository = new TufRepository()
    repository.delegate('first', { terminating: true })
    repository.delegate('second', { targets: { x: utf8('x') } })
    expect(search(repository, 'x')).toBe('TARGET_UNKNOWN')
  })

  it('68: a role that one way makes valid is not valid by another whose key did not sign it', () => {
    const repository = new TufRepository()
    repository.delegate('a', { paths: ['one'] })
    repository.delegate('b', { paths: ['two'] })
    repository.delegate('shared', { parent: 'a', targets: { one: utf8('1'), two: utf8('2') } })
    const shared = repository.delegated.at(-1)
    repository.next()
    // b delegates to the same role, with a key of its own.
    const stranger = pen('stranger')
    const byB = {
      keys: { [stranger.keyid]: stranger.key },
      roles: [{ name: 'shared', keyids: [stranger.keyid], threshold: 1, terminating: false, paths: ['*'] }],
    }
    repository.next({ signed: { b: (signed) => (signed['delegations'] = byB) } })
    const reader = new TufReader(repository)
    const set = reader.refresh()
    expect(shared).toBeDefined()
    expect(codeFrom(() => reader.drive(findTarget(set, 'one')))).toBe('accepted')
    expect(codeFrom(() => reader.drive(findTarget(set, 'two')))).toBe('METADATA_SIGNATURE')
  })

  it('69: a pattern full of stars ends', () => {
    const text = 'a'.repeat(500)
    expect(search(holding([`${'a*'.repeat(400)}b`], text), text)).toBe('TARGET_UNKNOWN')
  })
})

describe('the bytes of a target', () => {
  const target = {
    length: 5,
    hashes: new Map([['sha256', '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824']]),
  }
  const checked = (...parts: string[]): string =>
    codeFrom(() => {
      const check = new TargetCheck(target, 'x')
      for (const part of parts) check.update(utf8(part))
      check.end()
    })

  it('70, 71, 72: are refused when changed, longer or shorter, and accepted in pieces', () => {
    expect([checked('he', 'llo'), checked('hellx'), checked('hello', '!'), checked('hell')]).toEqual([
      'accepted',
      'TARGET_WRONG',
      'TARGET_WRONG',
      'TARGET_WRONG',
    ])
  })
})
