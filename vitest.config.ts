/**
 * How the tests run: two at a time, each file in its own process, because a test that stops a daemon must not share one with
 * its neighbours. Time limits are wide: a busy machine is no failure. `GRAPEVINE_TEST_REPORT` names a file for a JSON report beside the text; `.ci/run` counts from it.
 */
import { defineConfig } from 'vitest/config'

const report = process.env['GRAPEVINE_TEST_REPORT']

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 5_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
})
