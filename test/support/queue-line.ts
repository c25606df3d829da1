/**
 * A line with one queue, and a transfer that asks over it as `protocol/asking.ts` does, by its credit alone: how much of the line it uses,
 * and how long a ping beside it waits in the queue. The sender writes an ask into the queue at once: no TCP smoothes it, which is the worst case.
 */
import { instant } from '#base/time.ts'
import { Credit } from '#protocol/credit.ts'
import type { LinkId } from '#protocol/link.ts'
import { wanRunBytes } from '#protocol/params.ts'

interface LineOf {
  readonly bytesPerSecond: number
  readonly roundTripMs: number
  readonly chunkBytes?: number
  readonly isPolite?: boolean
  readonly seconds?: number
  /** Others on the line: packets of 1,500 bytes, this share of it, from and until these seconds. */
  readonly others?: { readonly share: number; readonly fromS: number; readonly untilS: number }
  /** What is measured: from this second on. */
  readonly measureFromS?: number
}

interface Measured {
  /** Of what the others left of the line. */
  readonly used: number
  readonly pingP95Ms: number
}

const link = 1 as LinkId
const packetBytes = 1_500

export function transferOn({
  bytesPerSecond,
  roundTripMs,
  chunkBytes = 32_768,
  isPolite = true,
  seconds = 60,
  others,
  measureFromS = 5,
}: LineOf): Measured {
  const credit = new Credit(isPolite)
  const events: { at: number; run: () => void }[] = []
  let [now, busyUntil, outstanding, came] = [0, 0, 0, 0]
  const waits: number[] = []
  const at = (time: number, run: () => void): void => {
    let index = events.length
    while (index > 0 && (events[index - 1]?.at ?? 0) < time) index--
    events.splice(index, 0, { at: time, run })
  }
  const queued = (bytes: number): number => (busyUntil = Math.max(busyUntil, now) + (bytes * 1_000) / bytesPerSecond)
  const whole = (time: number): ReturnType<typeof instant> => instant(Math.floor(time))

  const ask = (): void => {
    const bytes = credit.bytesOf({ link, inside: false })
    if (outstanding > 0 && bytes - outstanding < Math.min(wanRunBytes, bytes / 4)) return
    for (let left = bytes - outstanding; left > 0;) {
      const count = Math.max(1, Math.floor(left / chunkBytes))
      const askedAt = whole(now)
      if (outstanding === 0) credit.begins(askedAt, link)
      outstanding += count * chunkBytes
      left -= count * chunkBytes
      at(now + roundTripMs / 2, () => {
        for (let index = 0; index < count; index++)
          at(queued(chunkBytes) + roundTripMs / 2, () => arrived(askedAt, index === 0))
      })
    }
  }
  const arrived = (askedAt: ReturnType<typeof instant>, isFirst: boolean): void => {
    outstanding -= chunkBytes
    if (now >= measureFromS * 1_000) came += chunkBytes
    credit.arrived(whole(now), { link, bytes: chunkBytes, askedAt, isFirst })
    ask()
  }
  const ping = (): void => {
    if (now >= measureFromS * 1_000) waits.push(Math.max(0, busyUntil - now))
    at(now + 37, ping)
  }
  const packet = (): void => {
    queued(packetBytes)
    if (others && now < others.untilS * 1_000) at(now + (packetBytes * 1_000) / (bytesPerSecond * others.share), packet)
  }
  at(0, ask)
  at(0, ping)
  if (others) at(others.fromS * 1_000, packet)
  for (let event = events.pop(); event && event.at < seconds * 1_000; event = events.pop()) {
    now = event.at
    event.run()
  }
  const measuredS = seconds - measureFromS
  const othersS = others ? Math.max(0, Math.min(others.untilS, seconds) - Math.max(others.fromS, measureFromS)) : 0
  waits.sort((a, b) => a - b)
  return {
    used: came / (bytesPerSecond * (measuredS - othersS * (others?.share ?? 0))),
    pingP95Ms: waits[Math.floor(waits.length * 0.95)] ?? 0,
  }
}
