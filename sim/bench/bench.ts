/** `npm run bench -- NAME …`: measures. `idle` is what a member costs that has nothing to do, `lan` what the LAN carries. */
import { lan } from './lan.ts'

const [name = 'idle', ...words] = process.argv.slice(2)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
if (name === 'lan') await lan(words, stop.signal)
else await import('./idle-member.ts')
