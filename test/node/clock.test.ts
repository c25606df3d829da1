import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { instant } from '#base/time.ts'
import { Alarm, Clock, realTime } from '#node/clock.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

/** Two clocks that a test moves. */
function clocks(): { clock: Clock; pass: (ms: number) => void; setWall: (ms: number) => void } {
  let wall = Date.UTC(2026, 2, 6)
  let monotonic = 5_000.25
  const clock = new Clock(
    () => wall,
    () => monotonic,
  )
  const pass = (ms: number): void => {
    wall += ms
    monotonic += ms
  }
  return { clock, pass, setWall: (ms) => void (wall += ms) }
}
const hour = 3_600_000

describe('the clock of a machine', () => {
  it('goes on where the wall is set back, and says how far the wall is behind, once', () => {
    const { clock, pass, setWall } = clocks()
    const before = clock.now()
    pass(2_000)
    setWall(-hour)
    expect(clock.now() - before).toBe(2_000)
    expect(clock.takeMove()).toBe(-hour)
    expect(clock.takeMove()).toBeUndefined()
    pass(10 * hour)
    expect(clock.now() - before).toBe(2_000 + 10 * hour)
    expect(clock.hasMoved).toBe(false)
  })

  it('takes a jump forwards as time that passed, as after a sleep', () => {
    const { clock, setWall } = clocks()
    const before = clock.now()
    setWall(8 * hour)
    expect(clock.now() - before).toBe(8 * hour)
    expect(clock.takeMove()).toBeUndefined()
  })

  it('is not moved by the two clocks counting differently, however often it is asked', () => {
    const { clock, pass, setWall } = clocks()
    const before = clock.now()
    for (let step = 0; step < 1_000; step++) {
      pass(1)
      setWall(step % 2 === 0 ? 0.9 : -0.9)
      clock.now()
    }
    expect(clock.now() - before).toBe(1_000)
    expect(clock.takeMove()).toBeUndefined()
  })

  it('does not lose a wall that creeps away in small steps', () => {
    const { clock, setWall } = clocks()
    for (let step = 0; step < 10; step++) {
      setWall(-600)
      clock.now()
    }
    expect(clock.takeMove()).toBeLessThan(-4_000)
  })
})

describe('the alarm of a member', () => {
  it('rings once at its time, and not before', () => {
    const ring = vi.fn()
    const alarm = new Alarm(new Clock(), ring)
    alarm.set(instant(realTime() + 1_000))
    vi.advanceTimersByTime(999)
    expect(ring).not.toHaveBeenCalled()
    vi.advanceTimersByTime(5_000)
    expect(ring).toHaveBeenCalledTimes(1)
  })

  it('rings at the newest time it was set to, and never when that is taken back', () => {
    const ring = vi.fn()
    const alarm = new Alarm(new Clock(), ring)
    alarm.set(instant(realTime() + 1_000))
    alarm.set(instant(realTime() + 3_000))
    vi.advanceTimersByTime(2_000)
    expect(ring).not.toHaveBeenCalled()
    alarm.set(undefined)
    vi.advanceTimersByTime(10_000)
    expect(ring).not.toHaveBeenCalled()
  })

  it('rings within 15 s of a wall that was set back, however far away its time is', () => {
    const ring = vi.fn()
    const alarm = new Alarm(new Clock(), ring)
    alarm.set(instant(realTime() + 10 * hour))
    vi.advanceTimersByTime(20_000)
    expect(ring).not.toHaveBeenCalled()
    vi.setSystemTime(Date.now() - hour)
    vi.advanceTimersByTime(15_000)
    expect(ring).toHaveBeenCalledTimes(1)
  })

  it('rings soon for a time that is past, and for one that is further away than a timer can count', () => {
    const ring = vi.fn()
    const alarm = new Alarm(new Clock(), ring)
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
