/**
 * Builds the small Debian package that the demo carries: `node src/cli/demo/build-package.ts` writes it beside the sample policy.
 * The same bytes on every machine and at every time: no clock, no user, no compression. The package is committed; a test compares.
 *
 * Bytes (deb(5), ar(5), POSIX ustar):
 *   "!<arch>\n", then three members, each a header of 60 bytes, its bytes, and a "\n" where their number is odd:
 *     debian-binary  "2.0\n"
 *     control.tar    ./control
 *     data.tar       the installed tree
 */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { concatBytes, utf8 } from '#base/bytes.ts'
import { Random } from '#base/random.ts'

export const packageFile = 'grapevine-greeting_1.0_all.deb'

const control = `Package: grapevine-greeting
Version: 1.0
Architecture: all
Maintainer: Grapevine <grapevine@localhost>
Installed-Size: 1
Section: misc
Priority: optional
Description: a greeting, carried by the Grapevine demo
 It holds one text file and runs nothing.
`

const greeting = `Hello from your neighbour.

These bytes crossed the line to this site once. The other machines here had them from each other.
`

/** The package; with `fillerBytes` more it carries that many bytes that no compression could save, so that a line has something to do. */
export function buildPackage(fillerBytes: number = 0): Uint8Array {
  return ar([
    { name: 'debian-binary', bytes: utf8('2.0\n') },
    { name: 'control.tar', bytes: tar([folder('./'), file('./control', control)]) },
    {
      name: 'data.tar',
      bytes: tar([
        folder('./'),
        folder('./usr/'),
        folder('./usr/share/'),
        folder('./usr/share/grapevine-greeting/'),
        file('./usr/share/grapevine-greeting/greeting.txt', greeting),
        ...(fillerBytes > 0 ? [filler(fillerBytes)] : []),
      ]),
    },
  ])
}

interface Entry {
  readonly path: string
  readonly bytes: Uint8Array
  readonly mode: number
  /** `0` a file, `5` a folder. */
  readonly kind: '0' | '5'
}

const folder = (path: string): Entry => ({ path, bytes: new Uint8Array(), mode: 0o755, kind: '5' })
function filler(length: number): Entry {
  const random = new Random('grapevine-greeting')
  const bytes = Uint8Array.from({ length }, () => random.below(256))
  return { path: './usr/share/grapevine-greeting/filler.bin', bytes, mode: 0o644, kind: '0' }
}

const file = (path: string, text: string): Entry => ({ path, bytes: utf8(text), mode: 0o644, kind: '0' })

/** 2026-01-01T00:00:00Z in seconds: fixed, or two builds would differ. */
const modified = 1_767_225_600
const blockBytes = 512

function tar(entries: readonly Entry[]): Uint8Array {
  const blocks = entries.flatMap((entry) => [tarHeader(entry), padded(entry.bytes, blockBytes)])
  return concatBytes(...blocks, new Uint8Array(2 * blockBytes))
}

/** One ustar header: name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, kind 1, link 100, magic 8, user 32, group 32, rest empty. */
function tarHeader({ path, bytes, mode, kind }: Entry): Uint8Array {
  const header = (checksum: string): Uint8Array =>
    padded(
      utf8(
        path.padEnd(100, '\0') +
          octal(mode, 7) +
          octal(0, 7) +
          octal(0, 7) +
          octal(bytes.byteLength, 11) +
          octal(modified, 11) +
          checksum +
          kind.padEnd(101, '\0') +
          'ustar\0' +
          '00' +
          'root'.padEnd(32, '\0') +
          'root'.padEnd(32, '\0'),
      ),
      blockBytes,
    )
  // The sum is taken with spaces in its own place, and ends in a zero and a space.
  const sum = header(' '.repeat(8)).reduce((total, byte) => total + byte, 0)
  return header(`${sum.toString(8).padStart(6, '0')}\0 `)
}

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`

function padded(bytes: Uint8Array, multiple: number): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.byteLength / multiple) * multiple)
  whole.set(bytes)
  return whole
}

/** An ar archive: name 16, mtime 12, uid 6, gid 6, mode 8 (octal), size 10, "`\n". */
function ar(members: readonly { readonly name: string; readonly bytes: Uint8Array }[]): Uint8Array {
  const parts = members.flatMap(({ name, bytes }) => [
    utf8(
      name.padEnd(16) +
        String(modified).padEnd(12) +
        '0'.padEnd(6) +
        '0'.padEnd(6) +
        '100644'.padEnd(8) +
        String(bytes.byteLength).padEnd(10) +
        '`\n',
    ),
    bytes,
    utf8(bytes.byteLength % 2 === 1 ? '\n' : ''),
  ])
  return concatBytes(utf8('!<arch>\n'), ...parts)
}

if (import.meta.main)
  await writeFile(fileURLToPath(new URL(`policy/packages/${packageFile}`, import.meta.url)), buildPackage())
