/**
 * Quantities as scenario files write them, a number and its unit: `2 Mbit`, `30 ms`, `64 MiB`. A number without a unit is none, because
 * nobody remembers whether it was bits or bytes.
 */

const units = {
  /** Bits a second; decimal, as lines are sold. */
  rate: { bit: 1, kbit: 1e3, Mbit: 1e6, Gbit: 1e9 },
  /** Bytes; binary, as files are counted. */
  size: { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 },
  /** Milliseconds. */
  time: { us: 0.001, ms: 1, s: 1000, min: 60_000, h: 3_600_000 },
} as const

/** The number in bits a second, bytes or milliseconds; undefined where the text is no quantity of this kind. */
export function quantityOf(text: string, kind: keyof typeof units): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(text) ?? []
  const known: Readonly<Record<string, number>> = units[kind]
  return unit !== undefined && Object.hasOwn(known, unit) ? Number(number) * (known[unit] ?? 0) : undefined
}
