import { describe, expect, it } from 'vitest'
import { sha256, type Digest } from '#base/digest.ts'
import { OlderBytes } from '#content/patch.ts'
import { Patches } from '#node/patches.ts'
import { madeBytes } from '../contracts/chunk-store.ts'

const content = sha256(new Uint8Array(1))
const run = { content, first: 3, count: 2 }
const bytes = madeBytes('older', 50_000)
const made = (older: Uint8Array | undefined = bytes): Patches => new Patches(() => Promise.resolve(older))

describe('chunks as differences', () => {
  it('an ask tells of older bytes where there are some, and goes without where there are none or the disk fails', async () => {
    expect((await made().begin(run))?.sketch).toEqual(new OlderBytes(bytes).sketch)
    expect(await new Patches(() => Promise.resolve(undefined)).begin(run)).toBeUndefined()
    expect(await new Patches(() => Promise.reject(new TypeError('gone'))).begin(run)).toBeUndefined()
  })

  it('no more than 8 MiB of older bytes are held for asks on their way', async () => {
    const patches = made(madeBytes('large', 3_000_000))
    const begun = [await patches.begin(run), await patches.begin(run), await patches.begin(run)]
    expect(begun.every(Boolean)).toBe(true)
    expect(await patches.begin(run)).toBeUndefined()
    patches.done(begun[0])
    expect(await patches.begin(run)).toBeDefined()
  })

  it('a content whose patches save little is soon asked for whole, another is not', async () => {
    const patches = made()
    for (let at = 0; at < 16; at++) patches.came(content, 32_768, 32_000)
    expect(await patches.begin(run)).toBeUndefined()
    const other = { ...run, content: sha256(new Uint8Array(2)) }
    for (let at = 0; at < 64; at++) patches.came(other.content, 32_768, 4_000)
    expect(await patches.begin(other)).toBeDefined()
  })

  it('a content whose patch made wrong bytes is asked for whole from then on', async () => {
    const patches = made()
    patches.giveUp(content)
    expect(await patches.begin(run)).toBeUndefined()
    for (let at = 0; at < 1_024; at++) patches.giveUp(`${at}` as Digest)
    expect(await patches.begin(run)).toBeDefined()
  })

  it("a neighbour's sketch is used for its ask, once", () => {
    const patches = made()
    const { sketch } = new OlderBytes(bytes)
    patches.heard(7, sketch)
    patches.heard(8, undefined)
    expect(patches.take(7)?.patchFor(bytes.subarray(0, 30_000))?.byteLength).toBeLessThan(3_000)
    expect([patches.take(7), patches.take(8), patches.take(9)]).toEqual([undefined, undefined, undefined])
  })

  it('no more than 4 MiB of sketches wait, and there is room again for the next', () => {
    const patches = made()
    const large = new Uint8Array(32_768)
    for (let ask = 0; ask <= 128; ask++) patches.heard(ask, large)
    expect(patches.take(128)).toBeUndefined()
    expect(patches.take(0)).toBeDefined()
    patches.heard(129, large)
    expect(patches.take(129)).toBeDefined()
  })
})
