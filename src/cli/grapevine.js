#!/usr/bin/env node
/**
 * The entry point: checks the version of Node, then hands over to `main.ts`. Plain JavaScript of the oldest Node that may meet it
 * (20), because that one cannot read the rest; it must never do more than say in one line what to do.
 *
 * An installed package has the bundle alone. A checkout has the sources, and a bundle where `npm ci` made one; that is taken only while
 * it is of these very sources.
 */
import { existsSync, readFileSync } from 'node:fs'
// Not by name: Node 20 has no `enableCompileCache`, and would stop at the import instead of at the check.
import module from 'node:module'
import { fileURLToPath } from 'node:url'
import { sourceState } from './source-state.js'

const ours = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

if (Number(process.versions.node.split('.')[0]) < 24) {
  const next = existsSync(ours('node_modules/.bin/node'))
    ? 'write `npx grapevine …` or `node_modules/.bin/node src/cli/grapevine.js …`'
    : 'run `npm ci`, which brings it, then `npx grapevine …`'
  console.error(`grapevine needs Node 24 or later, and this is ${process.versions.node}: ${next}.`)
  process.exit(2)
}

const hasSources = existsSync(ours('src/cli/main.ts'))

if (hasSources && !existsSync(ours('node_modules'))) {
  console.error('grapevine has no dependencies yet: run `npm ci` in its folder.')
  process.exit(2)
}

// A daemon starts over with an allocator (glibc) that gives memory back: buffers of a few packages would otherwise keep 30-70 MiB for ever
// (measurements.md). It is read at the start of a process only, hence the exec: same process id, 40 ms. Not below a parent with a
// channel, such as the demo: the channel would not survive it. Whoever sets one of these themselves keeps what they set.
// And with a young generation that stays at 1 MiB: V8 would let it reach 128 MiB under a short burst and keep it, and the buffers of a
// network stream would wait in it for a collection of everything (half of the CPU time of a fetch, decisions/0011).
const youngGeneration = '--max-semi-space-size=1'
const allocator = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TRIM_THRESHOLD_: '65536' }
const names = Object.keys(allocator)
if (names.every((name) => process.env[name] === allocator[name])) {
  // Not for what we start in turn: apt and cf-agent have their own ways.
  for (const name of names) delete process.env[name]
} else if (process.argv.includes('run') && process.platform === 'linux' && !process.connected && process.execve) {
  if (names.every((name) => process.env[name] === undefined))
    process.execve(
      process.execPath,
      [process.execPath, ...process.execArgv, youngGeneration, ...process.argv.slice(1)],
      {
        ...process.env,
        ...allocator,
      },
    )
}

/** Whether `dist/` is what these sources say. */
function isBundled() {
  if (!hasSources) return true
  const state = ours('dist/state.txt')
  return existsSync(state) && readFileSync(state, 'utf8') === sourceState(ours(''))
}

const bundled = isBundled()

// Types stripped and code compiled once, not at each start. In our own folder and not in the shared temporary one, where others of this
// machine could put code that we would run.
module.enableCompileCache(ours(bundled ? 'dist/.cache' : 'node_modules/.cache/grapevine'))

const { main } = await import(bundled ? '../../dist/main.js' : './main.ts')
process.exitCode = await main(process.argv.slice(2))
