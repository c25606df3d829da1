/** The shell program for a line of a file (policy/compile/line-script.ts), run by a real shell. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chmod, mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '#engines/command.ts'
import { scriptOf } from '#policy/compile/script.ts'
import { policyOf } from '../contracts/engine.ts'

let folder: string
let work: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-line-test-'))
  work = join(folder, 'work')
  await mkdir(work)
  await mkdir(join(folder, 'd'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))
const at = (name: string): string => join(folder, 'd', name)

async function run(line: string, match?: string, name = 'f', mode: 'apply' | 'observe' = 'apply'): Promise<string> {
  const resource = { kind: 'line' as const, id: '0', path: at(name), line, ...(match === undefined ? {} : { match }) }
  await writeFile(join(folder, 'script.sh'), scriptOf(resource, { policy: policyOf(), bundle: folder, resources: [] }))
  const { exitCode, output } = await runCommand({
    file: '/bin/sh',
    args: [join(folder, 'script.sh'), mode],
    env: { GRAPEVINE_SCRATCH: work },
    timeoutMs: 20_000,
    outputBytesMax: 10_000,
  })
  expect(await readdir(work)).toEqual([])
  const outcome = { 0: 'repaired', 97: 'kept', 1: 'failed' }[exitCode ?? -1] ?? `exit code ${exitCode}`
  return output.trim() === '' ? outcome : `${outcome}, ${output.trim()}`
}

describe('a line', () => {
  it.each<[string, string, string | undefined, string]>([
    ['', 'k=1', undefined, 'k=1\n'],
    ['a', 'k=1', undefined, 'a\nk=1\n'],
    ['a\n', 'k=1', '^k=', 'a\nk=1\n'],
    ['k=2\nb\nk=3\n', 'k=1', '^k=', 'k=1\nb\n'],
    ['k=2\nb\nk=1\nk=3', 'k=1', '^k=', 'b\nk=1\n'],
    ['k=1\nk=1\n', 'k=1', '^k=', 'k=1\nk=1\n'],
    ['k=2\r\n', 'k=1', '^k=', 'k=1\n'],
    ['a\\nb\n', 'a\\tb $x `y` "z" \'', '^a', 'a\\tb $x `y` "z" \'\n'],
    ['straße=1\n', 'straße=2', '^straße=', 'straße=2\n'],
    ['-e x\n', '-n', '^-e', '-n\n'],
  ])('in %j, wanted as %j with %j, makes %j, and then nothing', async (before, line, match, after) => {
    await writeFile(at('f'), before)
    const outcome = before === after ? 'kept' : 'repaired'
    expect(await run(line, match)).toBe(outcome)
    expect(await readFile(at('f'), 'utf8')).toBe(after)
    expect(await run(line, match)).toBe('kept')
    expect(await readdir(join(folder, 'd'))).toEqual(['f'])
  })

  it('leaves bytes that are no text as they are', async () => {
    const bytes = Buffer.from([0xff, 0xfe, 10, 0x6b, 0x3d, 0xe9, 10])
    await writeFile(at('f'), bytes)
    expect(await run('k=1', '^k=')).toBe('repaired')
    expect(await readFile(at('f'))).toEqual(Buffer.from([0xff, 0xfe, 10, 0x6b, 0x3d, 0x31, 10]))
  })

  it('makes a new file 0644 with its folders, and keeps mode and link of one that is there', async () => {
    expect(await run('x', undefined, 'new/deep/f')).toBe('repaired')
    expect((await stat(at('new/deep/f'))).mode & 0o777).toBe(0o644)
    expect((await stat(at('new/deep'))).mode & 0o777).toBe(0o755)
    await writeFile(at('real'), 'a\n')
    await chmod(at('real'), 0o604)
    await symlink('real', at('link'))
    expect(await run('x', undefined, 'link')).toBe('repaired')
    expect([await readlink(at('link')), await readFile(at('real'), 'utf8')]).toEqual(['real', 'a\nx\n'])
    expect((await stat(at('real'))).mode & 0o777).toBe(0o604)
  })

  it('is only looked at by an observation', async () => {
    expect(await run('x', undefined, 'f', 'observe')).toBe('repaired, seen: missing')
    await writeFile(at('f'), 'y\n')
    expect(await run('x', '^y', 'f', 'observe')).toBe('repaired, seen: the line is not there, or others match')
    expect(await run('y', '^y', 'f', 'observe')).toBe('kept')
    expect(await readFile(at('f'), 'utf8')).toBe('y\n')
  })

  it('fails on a directory, and with a pattern that grep does not understand, and the file stays', async () => {
    expect(await run('x', undefined, '.')).toBe('failed, failed: it is a directory')
    await writeFile(at('f'), 'y\n')
    expect(await run('x', 'y{3,1}')).toMatch(/failed: grep -P does not understand the pattern$/)
    expect(await readFile(at('f'), 'utf8')).toBe('y\n')
  })
})
