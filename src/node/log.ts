/**
 * Log lines on stderr: short text for a person at a terminal, JSON with a priority prefix under journald (sd-daemon(3)), plain JSON
 * otherwise. stdout stays free for answers.
 */
import type { Log, LogFields } from '#base/log.ts'
import { messageOf } from '#base/errors.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
const priorities: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 }

/** A log that writes what is at least `level` to stderr. */
export function stderrLog(level: LogLevel): Log {
  const style = process.env['JOURNAL_STREAM'] ? 'journal' : process.stderr.isTTY ? 'text' : 'json'
  const write = (at: LogLevel, event: string, fields: LogFields = {}): void => {
    if (levels.indexOf(at) < levels.indexOf(level)) return
    process.stderr.write(`${line(style, at, event, fields)}\n`)
  }
  return {
    debug: (event, fields) => write('debug', event, fields),
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
  }
}

function line(style: 'journal' | 'text' | 'json', level: LogLevel, event: string, fields: LogFields): string {
  const plain = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, printable(value)]))
  const time = new Date().toISOString()
  if (style === 'text') {
    const rest = Object.entries(plain).map(
      ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    return [time.slice(11, 19), level.padEnd(5), event, ...rest].join(' ')
  }
  const json = JSON.stringify({ time, level, event, ...plain })
  return style === 'journal' ? `<${priorities[level]}>${json}` : json
}

function printable(value: unknown): unknown {
  if (value instanceof Error) return messageOf(value)
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`
  return value
}
