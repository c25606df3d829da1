import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkMonitor, checkMonitors } from '#engines/monitor.ts'
import type { MonitorResult } from '#facts/monitor.ts'
import type { Monitor, MonitorCheck } from '#policy/model.ts'
import { gone } from './processes.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grapevine-monitor-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const now = Date.UTC(2026, 10, 24, 10)
const monitor = (check: MonitorCheck, timeoutMs = 10_000): Monitor => ({
  name: 'm',
  everyMs: 60_000,
  timeoutMs,
  fails: 3,
  passes: 2,
  check,
})
const seen = (check: MonitorCheck, timeoutMs?: number): Promise<MonitorResult> =>
  checkMonitor(monitor(check, timeoutMs), { now })
const run = (text: string, timeoutMs?: number): Promise<MonitorResult> =>
  seen({ type: 'command', run: text }, timeoutMs)

describe('a command', () => {
  it('passes where it ends with 0, and says its last line', async () => {
    expect(await run('echo begin; echo end')).toEqual({ name: 'm', outcome: 'pass', said: 'end' })
    expect(await run('echo no >&2; exit 7')).toMatchObject({ outcome: 'fail', said: 'exit code 7: no' })
    expect(await run('kill -KILL $$')).toMatchObject({ outcome: 'fail', said: 'ended by SIGKILL' })
  })

  it('that hangs fails at its time, and everything it started is ended', async () => {
    const pids = join(folder, 'pids')
    const result = await run(`echo $$ >>${pids}; (sh -c 'echo $$ >>${pids}; sleep 60') & sleep 60`, 700)
    expect(result).toMatchObject({ outcome: 'fail', said: 'no answer within 0.7 s' })
    const started = (await readFile(pids, 'utf8')).trim().split('\n').map(Number)
    expect(started).toHaveLength(2)
    expect(await gone(...started)).toBe(true)
  })

  it('says no more than is told, and nothing that steers a terminal', async () => {
    const { said } = await run(String.raw`printf '\033[31m%0500d\n' 1; exit 1`)
    expect(said).toHaveLength(200)
    expect(said).toMatch(/^exit code 1: \[31m0+…$/)
  })

  it('that is stopped says neither', async () => {
    const stop = new AbortController()
    const result = checkMonitor(monitor({ type: 'command', run: 'sleep 60' }), { now, signal: stop.signal })
    setTimeout(() => stop.abort(), 50)
    expect(await result).toMatchObject({ outcome: 'unknown', said: 'stopped before its end' })
  })
})

describe('what the kernel knows', () => {
  it('a disk has so much free, in percent or bytes', async () => {
    const disk = (free: Extract<MonitorCheck, { type: 'disk' }>['free'], path = folder): MonitorCheck => ({
      type: 'disk',
      path,
      free,
    })
    expect(await seen(disk({ type: 'percent', least: 0 }))).toMatchObject({
      outcome: 'pass',
      said: expect.stringMatching(/^[\d.]+ % of \S+ free, [\d.]+ GiB$/) as string,
    })
    expect(await seen(disk({ type: 'percent', least: 100 }))).toMatchObject({ outcome: 'fail' })
    expect(await seen(disk({ type: 'bytes', least: 1 }))).toMatchObject({ outcome: 'pass' })
    expect(await seen(disk({ type: 'bytes', least: 2 ** 60 }))).toMatchObject({ outcome: 'fail' })
    expect(await seen(disk({ type: 'bytes', least: 1 }, join(folder, 'gone')))).toMatchObject({
      outcome: 'fail',
      said: expect.stringContaining('ENOENT') as string,
    })
  })

  it('the load is at most so much', async () => {
    expect(await seen({ type: 'load', max: 100_000 })).toMatchObject({ outcome: 'pass' })
    expect(await seen({ type: 'load', max: -1 })).toMatchObject({ outcome: 'fail' })
  })

  it('a file is there and young', async () => {
    const path = join(folder, 'f')
    const file: MonitorCheck = { type: 'file', path, youngerThanMs: 7_200_000 }
    expect(await seen(file)).toMatchObject({ outcome: 'fail', said: `${path} is not there` })
    await writeFile(path, '')
    await utimes(path, now / 1000, now / 1000 - 3600)
    expect(await seen(file)).toMatchObject({ outcome: 'pass', said: 'written 60 min ago' })
    await utimes(path, now / 1000, now / 1000 - 7200)
    expect(await seen(file)).toMatchObject({ outcome: 'fail', said: 'written 2 h ago' })
  })

  it('a port takes connections, or does not', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const check: MonitorCheck = { type: 'port', host: '127.0.0.1', port: (server.address() as AddressInfo).port }
    expect(await seen(check)).toMatchObject({ outcome: 'pass' })
    await new Promise((resolve) => server.close(resolve))
    expect(await seen(check)).toMatchObject({
      outcome: 'fail',
      said: expect.stringContaining('ECONNREFUSED') as string,
    })
  })

  it('a service that nobody knows does not run', async () => {
    expect(await seen({ type: 'service', name: 'no-such-service' })).toMatchObject({ outcome: 'fail' })
  })
})

describe('all monitors of a bundle', () => {
  it('are answered in their order, however long each takes', async () => {
    const named = (name: string, text: string): Monitor => ({ ...monitor({ type: 'command', run: text }), name })
    const many = ['a', 'b', 'c', 'd', 'e', 'f'].map((name, index) =>
      named(name, `sleep 0.${6 - index}; exit ${index % 2}`),
    )
    const results = await checkMonitors(many, { now })
    expect(results.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      'a pass',
      'b fail',
      'c pass',
      'd fail',
      'e pass',
      'f fail',
    ])
  })
})
