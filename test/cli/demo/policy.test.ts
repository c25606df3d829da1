/** The policy of the demo is sound, and everything it makes lies under the scratch folder of the device. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { assert } from '#base/assert.ts'
import { parsePolicy } from '#policy/parse.ts'
import { renderPolicy } from '#policy/render.ts'

const folder = fileURLToPath(new URL('../../../src/cli/demo/policy', import.meta.url))
const textOf = (path: string): string => readFileSync(join(folder, path), 'utf8')
const files = {
  has: (path: string): number | undefined => statSync(join(folder, path), { throwIfNoEntry: false })?.size,
  text: (path: string): string | undefined => (files.has(path) === undefined ? undefined : textOf(path)),
}

it('the policy has no fault', () => {
  expect(parsePolicy(textOf('policy.yaml'), files).problems).toEqual([])
})

it('rendered for a device, every path lies under its scratch folder and the banner names the device', () => {
  const { policy } = parsePolicy(textOf('policy.yaml'), files)
  assert(policy, 'the policy has no fault')
  const facts = { hostname: 'till-3', local: { scratch: '/tmp/scratch' } }
  const { resources } = renderPolicy({ policy, bundle: '/tmp/bundle', text: textOf, facts })
  const paths = resources.map((resource) => ('path' in resource ? resource.path : ''))
  expect(paths).toEqual([
    '/tmp/scratch/etc',
    '/tmp/scratch/etc/issue.net',
    '/tmp/scratch/etc/motd.conf',
    '/tmp/scratch/usr/share',
    '/tmp/scratch/usr/share/greeting.deb',
  ])
  expect(resources[1]).toMatchObject({
    kind: 'file',
    from: { type: 'text', text: 'Authorised use only\nThis is till-3.\n' },
  })
  expect(resources[4]).toMatchObject({
    kind: 'file',
    from: { type: 'copy', path: '/tmp/bundle/packages/grapevine-greeting_1.0_all.deb' },
  })
})
