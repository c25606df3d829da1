import { describe, expect, it } from 'vitest'
import { Acting } from '#protocol/acting.ts'
import type { LinkId } from '#protocol/link.ts'
import type { Neighbour } from '#protocol/neighbour.ts'
import { actingHopsMax, actingToldMax } from '#protocol/params.ts'
import type { Role } from '#trust/membership.ts'
import type { PeerId } from '#trust/peer-id.ts'

const peerOf = (name: string): PeerId => name as PeerId
const linkOf = (name: string): LinkId => name.charCodeAt(0) as LinkId
/** A neighbour of the site, named by one letter. */
const near = (name: string, acts = false, role: Role = 'client'): Neighbour =>
  ({ peer: peerOf(name), link: linkOf(name), membership: { role }, acting: acts, reach: acts }) as unknown as Neighbour
const says = (name: string, hops: number, role: Role = 'client') => ({ peer: peerOf(name), role, hops })
const names = (members: readonly { peer: string; hops: number }[]): string[] =>
  members.map(({ peer, hops }) => `${peer}${hops}`)

describe('who acts at the uplink of a site', () => {
  it('is known from the neighbours themselves, and from what they tell of others', () => {
    const acting = new Acting(peerOf('m'))
    acting.heard(linkOf('b'), [says('x', 1), says('m', 1)])
    expect(names(acting.known([near('a', true), near('b')]))).toEqual(['a1', 'x2'])
  })

  it('is in the order in which they should act: a relay first, then by peer id', () => {
    const acting = new Acting(peerOf('m'))
    acting.heard(linkOf('b'), [says('z', 1, 'relay'), says('d', 1)])
    expect(names(acting.known([near('a', true), near('b')]))).toEqual(['z2', 'a1', 'd2'])
  })

  it('is told on over the shortest way, and never back to where it came from', () => {
    const acting = new Acting(peerOf('m'))
    const inside = [near('a', true), near('b'), near('c')]
    acting.heard(linkOf('b'), [says('x', 1)])
    acting.heard(linkOf('c'), [says('x', 3)])
    expect(inside.map((to) => names(acting.toTell(to, inside)))).toEqual([['x2'], ['a1'], ['a1', 'x2']])
  })

  it('speaks for itself where it is a neighbour: what others still say of it is old', () => {
    const acting = new Acting(peerOf('m'))
    acting.heard(linkOf('b'), [says('a', 1)])
    expect(acting.known([near('a', false), near('b')])).toEqual([])
  })

  it('is forgotten by two who know it only from each other', () => {
    const [left, right] = [new Acting(peerOf('l')), new Acting(peerOf('r'))]
    const [toLeft, toRight] = [[near('l')], [near('r')]]
    right.heard(linkOf('l'), [says('x', 2)])
    for (let turn = 0; turn < 2 * actingHopsMax; turn++) {
      left.heard(linkOf('r'), right.toTell(toLeft[0] as Neighbour, toLeft))
      right.heard(linkOf('l'), left.toTell(toRight[0] as Neighbour, toRight))
    }
    expect([...left.known(toRight), ...right.known(toLeft)]).toEqual([])
  })

  it('is not believed from too far away, and told of no more than the limit', () => {
    const acting = new Acting(peerOf('m'))
    acting.heard(linkOf('b'), [says('x', actingHopsMax)])
    expect(acting.known([near('b')])).toEqual([])
    const many = Array.from({ length: 2 * actingToldMax }, (_, index) => says(`p${index}`, 1))
    acting.heard(linkOf('b'), many)
    expect(acting.toTell(near('c'), [near('b'), near('c')])).toHaveLength(actingToldMax)
  })

  it('goes with the link it was told on', () => {
    const acting = new Acting(peerOf('m'))
    acting.heard(linkOf('b'), [says('x', 1)])
    acting.down(linkOf('b'))
    expect(acting.known([near('b')])).toEqual([])
  })
})
