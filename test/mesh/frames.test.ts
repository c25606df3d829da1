import * as fc from 'fast-check'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '#base/bytes.ts'
import { frameOf, FrameSplitter } from '#mesh/frames.ts'

/** Pushes these bytes in pieces of these lengths, the rest at the end. */
function pushInPieces(
  splitter: FrameSplitter,
  bytes: Uint8Array,
  lengths: readonly number[],
): (Uint8Array[] | undefined)[] {
  const answers: (Uint8Array[] | undefined)[] = []
  let at = 0
  for (const length of [...lengths, bytes.byteLength]) {
    if (at >= bytes.byteLength) break
    answers.push(splitter.push(bytes.subarray(at, at + length)))
    at += length
  }
  return answers
}

/**
 * Bytes of buffers that somebody still holds: without a collection first, the number says only when the last one was. The second one
 * waits for the first, which frees buffers beside the program.
 */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  await setImmediate()
  collect()
  return process.memoryUsage().arrayBuffers
}

describe('the frame splitter', () => {
  it('gives the same frames, however the bytes arrive', () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 })
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 80 }), (payloads, lengths) => {
        const wire = concatBytes(...payloads.map((payload) => frameOf(payload).subarray()))
        const got = pushInPieces(new FrameSplitter(200), wire, lengths).flatMap((answer) => answer ?? [])
        expect(got.map((frame) => [...frame])).toEqual(payloads.map((payload) => [...payload]))
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  it('tells a length over the limit as soon as the length is there, and gives nothing of that frame', () => {
    const wire = frameOf(new Uint8Array(201))
    const splitter = new FrameSplitter(200)
    expect(splitter.push(wire.subarray(0, 3))).toEqual([])
    expect(splitter.push(wire.subarray(3, 4))).toBeUndefined()
  })

  it('takes a frame of exactly the limit, and one of nothing', () => {
    const splitter = new FrameSplitter(200)
    const got = splitter.push(concatBytes(frameOf(new Uint8Array(200)).subarray(), frameOf().subarray()))
    expect(got?.map((frame) => frame.byteLength)).toEqual([200, 0])
  })

  it('joins the parts of a frame', () => {
    expect([...frameOf(Uint8Array.of(1), Uint8Array.of(2, 3)).subarray()]).toEqual([0, 0, 0, 3, 1, 2, 3])
  })

  it('takes pieces that come as a list, and gives each frame in a buffer of its own', () => {
    const list = new Uint8ArrayList(frameOf(Uint8Array.of(1, 2)), frameOf(Uint8Array.of(3)))
    const got = new FrameSplitter(200).push(list) ?? []
    expect(got.map((frame) => [...frame])).toEqual([[1, 2], [3]])
    expect(got.map((frame) => frame.buffer.byteLength)).toEqual([2, 1])
  })

  it('does not keep the network buffers of a frame that comes byte by byte', async () => {
    const splitter = new FrameSplitter(60_000)
    const before = await heldBytes()
    splitter.push(Uint8Array.of(0, 0, 0xea, 0x60))
    // One byte out of a buffer of 4 KiB each time: 80 MiB, were all of them kept.
    for (let at = 0; at < 20_000; at++) splitter.push(new Uint8Array(4_096).subarray(0, 1))
    expect((await heldBytes()) - before).toBeLessThan(8 * 1_048_576)
    expect(splitter.push(new Uint8Array(40_000))?.map((frame) => frame.byteLength)).toEqual([60_000])
  })
})
