/**
 * What `npm test` runs: types, lint, format, unused code, tests. All of them, also after one has failed, so that one run tells
 * everything; then one line for each. Plain JavaScript, because it must be able to say what to do under an old Node.
 */
import { spawnSync } from 'node:child_process'

const steps = [
  { name: 'types', command: ['tsc', '--noEmit'], next: 'mend the types' },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'], next: 'npm run lint' },
  { name: 'format', command: ['oxfmt', '--check', '.'], next: 'npm run format' },
  { name: 'unused', command: ['knip'], next: 'remove what nobody uses, or use it' },
  { name: 'tests', command: ['vitest', 'run', ...process.argv.slice(2)], next: 'npx vitest run FILE' },
]

const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `Node ${process.versions.node} runs here, 24 or later is needed: run \`npm ci\`, then \`npm test\` (it brings its own Node).`,
  )
  process.exit(2)
}

const results = steps.map((step) => {
  const start = performance.now()
  console.log(`\n▸ ${step.name}: ${step.command.join(' ')}`)
  const [program, ...args] = step.command
  const run = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (run.error)
    console.error(`${program} could not be started: ${run.error.message}. Run it through npm: \`npm ci && npm test\`.`)
  return { ...step, passed: run.status === 0, seconds: (performance.now() - start) / 1000 }
})

console.log('')
for (const { name, passed, seconds, next } of results)
  console.log(
    `${passed ? '✓' : '✗'} ${name.padEnd(7)} ${seconds.toFixed(1).padStart(6)} s${passed ? '' : `   ${next}`}`,
  )
process.exitCode = results.every((result) => result.passed) ? 0 : 1
