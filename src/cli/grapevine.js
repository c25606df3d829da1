#!/usr/bin/env node
/**
 * The entry point: checks the version of Node, then hands over to `main.ts`. Plain JavaScript, because an older Node cannot read
 * the rest; it must never do more than say in one line what to do.
 */
import { enableCompileCache } from 'node:module'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const home = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

if (Number(process.versions.node.split('.')[0]) < 24) {
  const own = existsSync(home('node_modules/.bin/node'))
  console.error(
    `grapevine needs Node 24 or later, and this is ${process.versions.node}: ${
      own
        ? 'write `npx grapevine …` or `node_modules/.bin/node src/cli/grapevine.js …`'
        : 'run `npm ci`, which brings it, then `npx grapevine …`'
    }.`,
  )
  process.exit(2)
}

// Types stripped and code compiled once, not at each start. In our own folder and not in the shared temporary one, where others
// of this machine could put code that we would run.
if (existsSync(home('node_modules'))) enableCompileCache(home('node_modules/.cache/grapevine'))

const { main } = await import('./main.ts')
process.exitCode = await main(process.argv.slice(2))
