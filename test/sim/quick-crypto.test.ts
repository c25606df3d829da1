/** What the simulator signs and seals is what production signs and seals, byte for byte. */
import nacl from 'tweetnacl'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '#base/bytes.ts'
import { Random } from '#base/random.ts'
import { boxKey, sign, signingKey, verify } from '#trust/keys.ts'
import { quickenCrypto } from '#sim/quick-crypto.ts'

const random = new Random('quick crypto')
const draw = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.below(256))

describe('quick cryptography', () => {
  it('gives the bytes of tweetnacl: keys, signatures, shared keys and boxes', () => {
    const cases = Array.from({ length: 20 }, (_, n) => ({
      seed: draw(32),
      other: draw(32),
      nonce: draw(24),
      text: draw(n * 7),
    }))
    const made = (): string[] =>
      cases.map(({ seed, other, nonce, text }) => {
        const key = signingKey(seed)
        const box = boxKey(other)
        const sealed = nacl.box(text, nonce, box.public, seed)
        const opened = nacl.box.open(sealed, nonce, boxKey(seed).public, box.secret)
        return [key.public, sign(key, text), box.public, sealed, opened ?? utf8('closed')].map(toHex).join(' ')
      })
    const before = made()
    quickenCrypto()
    expect(made()).toEqual(before)
  })

  it('says of a signature the same the second time, and of another one what is true of it', () => {
    const key = signingKey(draw(32))
    const signature = sign(key, utf8('a'))
    const asked = (text: string): boolean => verify(key.public, utf8(text), signature)
    expect([asked('a'), asked('a'), asked('b'), asked('b'), asked('a')]).toEqual([true, true, false, false, true])
  })
})
