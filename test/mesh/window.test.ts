/** The window of a fetch stream is opened by halves. */
import type { Stream } from '@libp2p/interface'
import { expect, it } from 'vitest'
import { openWindowByHalves } from '#mesh/window.ts'

const yamux = (state: number, left: number): { said: () => number } => {
  let said = 0
  const inner = { state, recvWindow: 262_144, recvWindowCapacity: left, sendWindowUpdate: () => void said++ }
  openWindowByHalves(inner as unknown as Stream)
  return {
    said: () => {
      inner.sendWindowUpdate()
      return said
    },
  }
}

it('nothing is said while more than half of the window is open, and something once half is used', () => {
  expect(yamux(3, 131_073).said()).toBe(0)
  expect(yamux(3, 131_072).said()).toBe(1)
  expect(yamux(3, 0).said()).toBe(1)
})

it('what opens or resumes a stream is said at once', () => {
  for (const state of [0, 1, 2, 5]) expect(yamux(state, 262_144).said()).toBe(1)
})
