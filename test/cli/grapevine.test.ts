/** The entry point says in one line what to do under a Node that is too old. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const entry = fileURLToPath(new URL('../../src/cli/grapevine.js', import.meta.url))
const pretendOld = "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.2'})"

it('under Node 20 it names the version and the way to start in one line, and exits 2', () => {
  const run = spawnSync(process.execPath, ['--import', pretendOld, entry, 'status'], { encoding: 'utf8' })
  expect(run.status).toBe(2)
  expect(run.stdout).toBe('')
  expect(run.stderr.trimEnd().split('\n')).toEqual([
    'grapevine needs Node 24 or later, and this is 20.20.2: write `npx grapevine …` or `node_modules/.bin/node src/cli/grapevine.js …`.',
  ])
})

it('the entry point imports nothing by name that Node 20 lacks, or the check would never run', () => {
  const text = readFileSync(entry, 'utf8')
  expect([...text.matchAll(/^import (.*)$/gm)].map((match) => match[1])).toEqual([
    "{ existsSync, readFileSync } from 'node:fs'",
    "module from 'node:module'",
    "{ fileURLToPath } from 'node:url'",
    "{ sourceState } from './source-state.js'",
  ])
})

it('a daemon starts over with an allocator that gives memory back and a small young generation, unless somebody chose one; other commands do not', () => {
  const tell =
    'data:text/javascript,console.error(`arena ${process.env.MALLOC_ARENA_MAX} ${process.execArgv.includes("--max-semi-space-size=1")}`)'
  const arenas = (verb: string, env: Record<string, string> = {}): string[] => {
    const options = { encoding: 'utf8', env: { ...process.env, ...env } } as const
    const { stderr } = spawnSync(process.execPath, ['--import', tell, entry, verb, '--help'], options)
    return stderr.match(/^arena .*$/gm) ?? []
  }
  expect(arenas('run')).toEqual(['arena undefined false', 'arena 1 true'])
  expect(arenas('status')).toEqual(['arena undefined false'])
  expect(arenas('run', { MALLOC_ARENA_MAX: '4' })).toEqual(['arena 4 false'])
})
