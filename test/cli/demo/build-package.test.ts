/** The package file of the demo is what its script builds, and Debian's own tool can read it. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { isInstalled } from '../../support/tool.ts'
import { buildPackage, packageFile } from '#cli/demo/build-package.ts'

const committed = fileURLToPath(new URL(`../../../src/cli/demo/policy/packages/${packageFile}`, import.meta.url))
const dpkgDeb = (option: string): string =>
  execFileSync('dpkg-deb', [option, committed], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } })

it('the committed package is byte for byte what the script builds', () => {
  expect(Buffer.from(buildPackage()).equals(readFileSync(committed))).toBe(true)
})

it('two builds are equal', () => {
  expect(buildPackage()).toEqual(buildPackage())
})

it.skipIf(!isInstalled('dpkg-deb'))('dpkg-deb accepts the package (needs dpkg-deb: apt-get install dpkg)', () => {
  expect(dpkgDeb('--info')).toContain('Package: grapevine-greeting\n Version: 1.0\n Architecture: all\n')
  const contents = dpkgDeb('--contents').trim().split('\n')
  expect(contents).toHaveLength(5)
  expect(contents.at(-1)).toMatch(
    /^-rw-r--r-- root\/root +126 2026-01-01 00:00 \.\/usr\/share\/grapevine-greeting\/greeting\.txt$/,
  )
})
