import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { instant } from '#base/time.ts'
import { Alarm, realTime } from '#node/clock.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

describe('the alarm of a member', () => {
  it('rings once at its time, and not before', () => {
    const ring = vi.fn()
    const alarm = new Alarm(ring)
    alarm.set(instant(realTime() + 1_000))
    vi.advanceTimersByTime(999)
    expect(ring).not.toHaveBeenCalled()
    vi.advanceTimersByTime(5_000)
    expect(ring).toHaveBeenCalledTimes(1)
  })

  it('rings at the newest time it was set to, and never when that is taken back', () => {
    const ring = vi.fn()
    const alarm = new Alarm(ring)
    alarm.set(instant(realTime() + 1_000))
    alarm.set(instant(realTime() + 3_000))
    vi.advanceTimersByTime(2_000)
    expect(ring).not.toHaveBeenCalled()
    alarm.set(undefined)
    vi.advanceTimersByTime(10_000)
    expect(ring).not.toHaveBeenCalled()
  })

  it('rings soon for a time that is past, and for one that is further away than a timer can count', () => {
    const ring = vi.fn()
    const alarm = new Alarm(ring)
    alarm.set(instant(realTime() - 5_000))
    vi.advanceTimersByTime(2)
    expect(ring).toHaveBeenCalledTimes(1)
    const month = 40 * 86_400_000
    alarm.set(instant(realTime() + month))
    vi.advanceTimersByTime(month - 1)
    expect(ring).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(2)
    expect(ring).toHaveBeenCalledTimes(2)
  })
})
