import { describe, expect, it } from 'vitest'
import { readEvents, type TaskEvent } from '#engines/ansible-callback.ts'
import { byResource, errorsIn, outcomeOf, rawDrift, rawResults, seenOf } from '#engines/ansible-output.ts'

const task = (name: string, how: TaskEvent['how'], more: Partial<TaskEvent> = {}): TaskEvent => ({ name, how, ...more })

const closed = new Set<number>()

describe('what the plugin wrote', () => {
  it('is read line by line: what is cut off or of no known type is left out, and without its last line there is no end', () => {
    const lines = [
      '{"type": "task", "name": "0 file", "how": "ok"}',
      '{"type": "unmatched"}',
      '{"type": "news"}',
      '{"type": "closed", "index": "4"}',
      '{"type": "closed", "index": "a task of their own"}',
      '{"type": "task", "na',
    ]
    expect(readEvents(lines.join('\n'))).toEqual({
      tasks: [{ type: 'task', name: '0 file', how: 'ok' }],
      closed: new Set([4, Number.NaN]),
      unmatched: 1,
      failures: undefined,
    })
    expect(readEvents(`${lines[0]}\n{"type": "end", "failures": 2}\n`)).toMatchObject({ failures: 2 })
  })

  it('goes to the resource whose index its name begins with', () => {
    const tasks = [
      task('1 folder', 'ok'),
      task('0 file', 'ok'),
      task('1 content', 'ok'),
      task('7 x', 'ok'),
      task('x', 'ok'),
    ]
    expect(byResource(tasks, 2).map((group) => group.map(({ name }) => name))).toEqual([
      ['0 file'],
      ['1 folder', '1 content'],
    ])
  })
})

describe('a resource', () => {
  it('is failed, repaired or kept by the worst of its tasks, and failed where there is none', () => {
    expect(outcomeOf([task('0 a', 'changed'), task('0 b', 'ignored', { message: 'no' })])).toEqual({
      outcome: 'failed',
      reason: 'no',
    })
    expect(outcomeOf([task('0 a', 'changed'), task('0 b', 'ok')])).toEqual({ outcome: 'repaired' })
    expect(outcomeOf([task('0 a', 'skipped')])).toEqual({ outcome: 'kept' })
    expect(outcomeOf([])).toMatchObject({ outcome: 'failed' })
    expect(outcomeOf(undefined)).toEqual({ outcome: 'failed', reason: 'not compiled' })
  })

  it('has the words of its program as the reason, of bounded length and without signs that steer a terminal', () => {
    const stdout = `${'y'.repeat(2000)}\r\n\u001b[2J\r\nfailed: exit code 3\r\n`
    const { reason } = outcomeOf([task('0 program', 'ignored', { stdout, message: 'non-zero return code' })])
    expect(reason).toMatch(/^exit code 3: y+ \| \s\[2J$/)
    expect(reason?.length).toBeLessThanOrEqual(500)
    expect(outcomeOf([task('0 program', 'ok', { stdout: 'skipped: not today\n' })])).toEqual({
      outcome: 'skipped',
      reason: 'not today',
    })
  })

  it('that differs is told by what its tasks would change', () => {
    const before = { mode: '0644', owner: '1' }
    expect(seenOf([task('0 access', 'changed', { before })])).toBe('mode 0644, another owner')
    expect(seenOf([task('0 content', 'changed', { absent: true })])).toBe('missing')
    expect(seenOf([task('0 directory', 'changed', { before: { state: 'absent' } })])).toBe('missing')
    expect(seenOf([task('0 absence', 'changed')])).toBe('present')
    expect(seenOf([task('0 program', 'changed', { stdout: 'seen: 1.0\n' })])).toBe('1.0')
    expect(seenOf([task('0 access', 'ignored', { message: 'is a directory' })])).toBe('is a directory')
    expect(seenOf([task('0 content', 'ok')])).toBeUndefined()
  })
})

describe("a playbook of the policy's own", () => {
  it('has a failure only where nothing rescued it', () => {
    const tasks = [task('a', 'failed', { message: 'x' }), task('b', 'ok'), task('a', 'failed', { message: 'y' })]
    expect(rawResults({ tasks, closed, unmatched: 0, failures: 1 })).toEqual([
      { id: '0:raw:a', kind: 'raw', outcome: 'skipped', reason: 'failed, and was rescued: x' },
      { id: '1:raw:b', kind: 'raw', outcome: 'kept' },
      { id: '2:raw:a', kind: 'raw', outcome: 'failed', reason: 'y' },
    ])
    expect(rawResults({ tasks, closed, unmatched: 0, failures: 0 }).map(({ outcome }) => outcome)).toEqual([
      'skipped',
      'kept',
      'skipped',
    ])
  })

  it('of very many tasks tells those that did something', () => {
    const tasks = Array.from({ length: 3000 }, (_, index) => task('t', index === 2500 ? 'failed' : 'ok'))
    expect(rawResults({ tasks, closed, unmatched: 0, failures: 1 })).toMatchObject([
      { id: '2500:raw:t', outcome: 'failed' },
    ])
    const all = tasks.map(() => task('t', 'changed'))
    expect(rawResults({ tasks: all, closed, unmatched: 0, failures: 0 })).toHaveLength(2000)
    expect(rawDrift({ tasks: all, closed, unmatched: 0, failures: 0 })).toHaveLength(2000)
  })
})

describe('an error of ansible-playbook', () => {
  it('is told with the place first and without warnings', () => {
    const output = `[WARNING]: odd\nERROR! no such\n\nThe error appears to be in '/a/b.yml': line 3, column 7, but may\nbe elsewhere`
    expect(errorsIn(output)).toBe('/a/b.yml:3:7: no such')
    expect(errorsIn('')).toBe('ansible-playbook does not say why')
    expect(errorsIn('x'.repeat(2000)).length).toBe(500)
  })
})
