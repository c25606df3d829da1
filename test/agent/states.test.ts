/** Every state of a bundle against every input of the agent: what moves it is in the table, and all else leaves it as it is. */
import { beforeEach, describe, expect, it } from 'vitest'
import { sha256 } from '#base/digest.ts'
import { utf8 } from '#base/bytes.ts'
import { after, day, hour } from '#base/time.ts'
import type { AgentInput, PrepareOutcome } from '#agent/input.ts'
import type { ApplyOutcome } from '#agent/outcome.ts'
import { bundleStates, windowClosed, type BundleState, type ResourceOutcome } from '#facts/report.ts'
import {
  applied,
  begin,
  bundle,
  deliver,
  feed,
  manifests,
  digestOf,
  prepared,
  publish,
  setNow,
  start,
  state,
  windowIn,
} from '../support/agent-stage.ts'

beforeEach(() => known())

/** A device that knows its facts: only then can it tell what is not meant for it any more. */
function known(): void {
  begin()
  feed({ type: 'facts', facts: {} })
}

const web = () => bundle('web', 1, windowIn(day))
const unknown = sha256(utf8('unknown'))

/** Brings the bundle into a state. */
const reach: Readonly<Record<BundleState, () => void>> = {
  pending: () => publish(bundle('web', 1, { ...windowIn(day), aheadMs: hour })),
  fetching: () => publish(web()),
  preparing: () => {
    publish(web())
    deliver(web())
  },
  prepared: () => {
    reach.preparing()
    prepared('web')
  },
  applying: () => {
    reach.prepared()
    feed({ type: 'apply-now' })
  },
  applied: () => {
    reach.applying()
    applied('web')
  },
  failed: () => {
    reach.applying()
    applied('web', 1, 'failed')
  },
  blocked: () => {
    reach.preparing()
    feed(preparedAs({ type: 'engine-missing', reason: 'no engine' }))
  },
  withdrawn: () => {
    reach.prepared()
    publish()
  },
}

const preparedAs = (outcome: PrepareOutcome, version = 1): AgentInput => ({
  type: 'prepared',
  name: 'web',
  version,
  outcome,
})
const appliedAs = (outcome: ApplyOutcome, version = 1): AgentInput => ({
  type: 'applied',
  name: 'web',
  version,
  outcome,
})
const results = (outcome: ResourceOutcome, reason?: string): ApplyOutcome => ({
  type: 'results',
  results: [{ id: '0:file:/x', kind: 'file', outcome, ...(reason !== undefined && { reason }) }],
})

type Moves = Partial<Record<BundleState, BundleState>>
const inputs: readonly (readonly [name: string, input: () => AgentInput, moves: Moves])[] = [
  ['prepared', () => preparedAs({ type: 'prepared', engine: 'cfengine' }), { preparing: 'prepared' }],
  ['prepared, of another version', () => preparedAs({ type: 'prepared', engine: 'cfengine' }, 7), {}],
  ['prepare failed', () => preparedAs({ type: 'failed', reason: 'no' }), { preparing: 'failed' }],
  ['engine missing', () => preparedAs({ type: 'engine-missing', reason: 'no' }), { preparing: 'blocked' }],
  ['applied', () => appliedAs(results('repaired')), { applying: 'applied' }],
  ['applied, of another version', () => appliedAs(results('repaired'), 7), {}],
  ['a resource failed', () => appliedAs(results('failed')), { applying: 'failed' }],
  ['the engine failed', () => appliedAs({ type: 'failed', reason: 'no' }), { applying: 'failed' }],
  ['a resource was skipped', () => appliedAs(results('skipped', 'onlyIf does not hold')), { applying: 'applied' }],
  ['the window closed', () => appliedAs(results('skipped', windowClosed)), { applying: 'prepared' }],
  ['apply now', () => ({ type: 'apply-now' }), { prepared: 'applying', applied: 'applying', failed: 'applying' }],
  ['a content that nobody asked for', () => ({ type: 'complete', content: unknown }), {}],
  ['a manifest that nobody asked for', () => ({ type: 'manifest', content: unknown, bytes: new Uint8Array() }), {}],
  [
    'its manifest again',
    () => ({ type: 'manifest', content: digestOf(web()), bytes: manifests.get(digestOf(web()))?.bytes }),
    {},
  ],
  ['facts', () => ({ type: 'facts', facts: { os: { family: 'suse' } } }), {}],
  ['a wish to look', () => ({ type: 'look' }), {}],
  ['carry', () => ({ type: 'carry', carries: true }), {}],
  [
    'a clock that is set back',
    () => {
      setNow(after(start, 0 - hour))
      return { type: 'clock-moved', movedMs: 0 - hour }
    },
    {},
  ],
  ['a wake for nothing', () => ({ type: 'wake' }), {}],
]

describe('a bundle in any state', () => {
  it.each(bundleStates)('(%s) is reached, and moves by its table alone', (from) => {
    for (const [name, input, moves] of inputs) {
      known()
      reach[from]()
      expect(state('web'), `before ${name}`).toBe(from)
      feed(input())
      expect(state('web'), `${from}: ${name}`).toBe(moves[from] ?? from)
    }
  })

  it.each(bundleStates)('(%s) gives way to a newer version, and to a release without it', (from) => {
    reach[from]()
    publish(bundle('web', 2, windowIn(day)))
    expect(state('web')).toBe('fetching')
    publish()
    // What left no trace here is not told as withdrawn either.
    const isTraced = from !== 'pending' && from !== 'fetching' && from !== 'preparing'
    expect(state('web')).toBe(isTraced ? 'withdrawn' : undefined)
  })
})
