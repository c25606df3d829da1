import { chmod, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attributed } from '#engines/attribution.ts'
import type { Finding } from '#facts/finding.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-attribution-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const finding = (resource: string, path?: string, seen = 'other content'): Finding => ({
  bundle: 'web',
  resource,
  wanted: 'a',
  seen,
  since: 1,
  ...(path !== undefined && { path }),
})

describe('a file that differs', () => {
  it('says when it was written and whose it is; one whose mode differs, when that was changed', async () => {
    const path = join(folder, 'f')
    await writeFile(path, '')
    await chmod(path, 0o600)
    await utimes(path, 0, 1_700_000_000)
    const told = await attributed([finding('0:file:/f', path), finding('0:file:/f', path, 'mode 0600')])
    const { username } = userInfo()
    expect(told[0]?.by).toBe(`written 2023-11-14T22:13Z, owned by ${username}`)
    expect(told[1]?.by).toMatch(/^changed 2\d{3}-/)
    expect(told[1]?.by?.startsWith('changed 2023-11-14')).toBe(false)
  })

  it('that is gone says nothing: nobody wrote that down', async () => {
    const missing = finding('0:file:/f', join(folder, 'gone'), 'missing')
    expect(await attributed([missing])).toEqual([missing])
  })
})

describe('what is no file', () => {
  it('and no package of any history is told as it was found', async () => {
    const findings = [finding('0:service:nginx'), finding('1:package:no-such-package-anywhere')]
    expect(await attributed(findings)).toEqual(findings)
  })
})
