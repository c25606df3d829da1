import { describe, expect, it } from 'vitest'
import { after, day } from '#base/time.ts'
import { PretendEngine } from '#engines/pretend.ts'
import { PuppetEngine } from '#engines/puppet.ts'
import { engineCheck, rootCheck } from '#node/doctor.ts'
import { TrustedSet } from '#trust/trusted-set.ts'
import { fleet, now } from '../support/fleet.ts'

describe('doctor looks at the signed root', () => {
  const { meshId, first } = fleet()
  const { rootExpiresAt } = TrustedSet.restore(meshId, first, now)
  const at = (days: number): string[] => {
    const { result, text, next } = rootCheck(rootExpiresAt, after(now, days * day))
    return [result, text, next === undefined ? 'nothing to do' : 'what to do']
  }

  it('and is content while it is good for more than 60 days', () => {
    expect(at(0)).toEqual(['pass', 'good for 720 days', 'nothing to do'])
    expect(at(660)[0]).toBe('pass')
  })

  it('and warns in the 60 days before it ends, while a new one can still be signed and spread', () => {
    expect(at(661)).toEqual(['warn', 'it ends in 59 days; after that no member takes a new release.', 'what to do'])
  })

  it('and fails once it has ended', () => {
    expect(at(721)).toEqual(['fail', 'it has ended: no member takes a new release any more.', 'what to do'])
  })

  it('and says nothing against a newcomer that has none yet', () => {
    expect(rootCheck(TrustedSet.pinned(meshId).rootExpiresAt, now)).toMatchObject({ result: 'pass' })
  })
})

describe('doctor looks for the tools that apply policies', () => {
  it('and names each that is here with its version, and what to install where there is none', async () => {
    const absent = new PuppetEngine(['/nowhere'])
    const [one, other] = [new PretendEngine('/a'), new PretendEngine('/b')]
    expect(await engineCheck([absent, one, other])).toEqual({
      name: 'engine',
      result: 'pass',
      text: 'pretend scratch folder, pretend scratch folder',
    })
    expect(await engineCheck([absent])).toMatchObject({ result: 'warn', next: expect.stringMatching(/puppet-agent/) })
  })
})
