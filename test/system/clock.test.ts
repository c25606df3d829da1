/** What a clock that somebody sets does to a real member: a preload moves the wall clock of its process, and leaves the monotonic one. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Bench, until } from '../support/program.ts'

/** SIGUSR2 sets the wall back by 40 minutes, SIGCONT forward again. */
const preload = `let ms = 0; const real = Date.now; Date.now = () => real() + ms;
process.on('SIGUSR2', () => (ms -= 2400000)); process.on('SIGCONT', () => (ms += 2400000))`
const preloaded = (text: string): string => `--import=data:text/javascript,${encodeURIComponent(text)}`
/** What is made earlier: certificates are good from their making on (those of TLS from an hour before). */
const earlier = preloaded('const real = Date.now; Date.now = () => real() - 2700000')

let bench: Bench
beforeEach(async () => {
  bench = await Bench.make()
})
afterEach(async () => {
  delete process.env['NODE_OPTIONS']
  await bench.end()
})

describe('a member whose clock is set', () => {
  it('goes on within seconds when it is set back 40 minutes, and its windows follow the wall', async () => {
    process.env['NODE_OPTIONS'] = earlier
    await bench.origin('origin', ['--listen', '/ip4/127.0.0.1/tcp/0'])
    const origin = await bench.daemon('origin')
    await bench.member('alice', 'berlin', { addresses: [origin.address] })
    delete process.env['NODE_OPTIONS']
    const alice = await bench.daemon('alice', [], ['env', `NODE_OPTIONS=${preloaded(preload)}`])
    const opens = new Date(Date.now() + 1_000).toISOString().slice(0, 19)
    const windowed = await bench.policy('windowed', {
      'policy.yaml': `policy: windowed\nwindows: [{ start: "${opens}", duration: 2h }]\nresources: []\n`,
    })
    await until('a link', async () => (await bench.status('alice')).peers.length > 0)
    alice.signal('SIGUSR2')
    await bench.ask('origin', ['publish', windowed])
    const state = async (name: string) => (await bench.status('alice')).bundles.find((bundle) => bundle.name === name)
    // Without an engine it is blocked: the report of either tells that timers run.
    await until('the report at the origin', async () => {
      const { devices } = (await bench.ask('origin', ['fleet'])) as unknown as {
        devices: { bundles: { state: string }[] }[]
      }
      return devices.some(({ bundles }) => ['prepared', 'blocked'].includes(bundles[0]?.state ?? ''))
    })
    expect(alice.words).toContain('clock.set-back')
    const waiting = await state('windowed')
    expect(waiting?.state).not.toBe('applied')
    expect(waiting?.windowOpens).toBe(`${opens}.000Z`)
    alice.signal('SIGCONT')
    const done = await until('the window by the wall', async () => {
      const found = await state('windowed')
      return found?.state !== 'prepared' && found
    })
    expect(['applied', 'applying', 'blocked']).toContain(done.state)
  }, 60_000)
})
