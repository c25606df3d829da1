import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { bencode, torrentOf } from '#sim/testbed/torrent.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

describe('a torrent file', () => {
  it('is bencoded: numbers, bytes, lists, and maps with sorted keys (the examples of BEP 3)', () => {
    expect(text(bencode(-3))).toBe('i-3e')
    expect(text(bencode(['spam', 'eggs']))).toBe('l4:spam4:eggse')
    expect(text(bencode({ spam: 'eggs', cow: 'moo' }))).toBe('d3:cow3:moo4:spam4:eggse')
    expect(text(bencode(Buffer.from([0xff])))).toBe('1:\u00ff')
  })

  it('hashes pieces across the ends of files, the last one short', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gv-torrent-'))
    try {
      mkdirSync(join(folder, 'b'))
      const [first, second] = [Buffer.alloc(131_000, 1), Buffer.alloc(1_000, 2)]
      writeFileSync(join(folder, 'a'), first)
      writeFileSync(join(folder, 'b', 'c'), second)
      const all = Buffer.concat([first, second])
      const pieces = [all.subarray(0, 131_072), all.subarray(131_072)].map((piece) =>
        createHash('sha1').update(piece).digest().toString('latin1'),
      )
      const made = text(torrentOf(folder, { name: 'copy', files: ['a', 'b/c'], tracker: 'http://t/' }))
      expect(made).toBe(
        `d8:announce9:http://t/4:infod5:filesld6:lengthi131000e4:pathl1:aeed6:lengthi1000e4:pathl1:b1:ceee` +
          `4:name4:copy12:piece lengthi131072e6:pieces40:${pieces.join('')}ee`,
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
