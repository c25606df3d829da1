/**
 * What people and programs read: with `--json` stdout holds nothing but JSON, one document a line; otherwise text. Progress goes to
 * stderr, and only to a terminal. Words, not colours, carry the meaning.
 */
import type { GrapevineError } from '#base/errors.ts'

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
}

export class Output {
  readonly json: boolean
  readonly #quiet: boolean
  #hasProgress = false

  constructor({ json, quiet }: OutputOptions) {
    this.json = json
    this.#quiet = quiet
  }

  /** The answer of a command: `document` for programs, `text` for people. */
  answer(document: unknown, text: string | readonly string[]): void {
    if (this.json) this.document(document)
    else if (!this.#quiet) this.#write([text].flat())
  }

  /** One JSON document on one line, whatever the options. */
  document(document: unknown): void {
    this.#clear()
    process.stdout.write(`${JSON.stringify(document)}\n`)
  }

  /** Text that is itself the answer (a token, the word `ready`): printed even when quiet, but not with `--json`. */
  value(text: string): void {
    if (!this.json) this.#write([text])
  }

  /** A remark for people. */
  note(text: string): void {
    if (!this.#quiet) {
      this.#clear()
      process.stderr.write(`${text}\n`)
    }
  }

  /** News that replace the last news, on a terminal only. */
  progress(text: string): void {
    if (this.#quiet || this.json || !process.stderr.isTTY) return
    process.stderr.write(`\r\u001B[2K${text.slice(0, (process.stderr.columns || 80) - 1)}`)
    this.#hasProgress = true
  }

  /** What went wrong, where, and what to do next. */
  error(error: GrapevineError): void {
    this.#clear()
    if (this.json) return this.document({ error: error.toDocument() })
    const where = error.where === undefined ? '' : `${error.where}: `
    process.stderr.write(`grapevine: ${where}${error.message} [${error.code}]\n`)
    if (error.next !== undefined) process.stderr.write(`  ${error.next}\n`)
  }

  #write(lines: readonly string[]): void {
    this.#clear()
    process.stdout.write(`${lines.join('\n')}\n`)
  }

  #clear(): void {
    if (this.#hasProgress) process.stderr.write('\r\u001B[2K')
    this.#hasProgress = false
  }
}

/** Columns without borders, two spaces apart, so that lines can be grepped and cut. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  return [head, ...rows].map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

/** `1.4 MiB`, `820 B`. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `3 min ago`, `in 2 h`, `now`. */
export function agoText(time: number, now: number): string {
  const seconds = Math.round(Math.abs(now - time) / 1000)
  if (seconds < 2) return 'now'
  const [amount, unit] =
    seconds < 90
      ? [seconds, 's']
      : seconds < 5400
        ? [seconds / 60, 'min']
        : seconds < 129_600
          ? [seconds / 3600, 'h']
          : [seconds / 86_400, 'd']
  return time <= now ? `${Math.round(amount)} ${unit} ago` : `in ${Math.round(amount)} ${unit}`
}

/** Windows that passed without an apply, in words. */
export const missedText = (count: number, closed: number, reason: string): string =>
  `missed ${count === 1 ? 'a window' : `${count} windows`}, the last until ${new Date(closed).toISOString().slice(0, 16)}Z: ${reason}`
