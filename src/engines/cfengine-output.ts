/**
 * Reads what cf-agent prints while it runs a compiled policy (policy/compile/cfengine.ts): which resources were kept, repaired or
 * failed, and why. cf-agent tells why only in prose, so its lines are kept by the resource whose bundle was running.
 *
 * | line                                 | is                                                            |
 * | `R: GRAPEVINE N begin`               | from here on the lines are those of resource N                |
 * | `R: GRAPEVINE N kept` …              | `kept`, `repaired`, `failed`; a resource may have several      |
 * | `R: GRAPEVINE N closed`              | it was not begun: the window closed                            |
 * | `R: GRAPEVINE N because TEXT`        | why, in our own words                                          |
 * | `[notice: ]Q: "...PROMISER": TEXT`   | a program's output; its last line may be `failed: …` and so on |
 * | ` error: …`, ` warning: …`, ` info: …` | cf-agent's own words                                           |
 */
import type { ResourceOutcome } from '#facts/report.ts'
import { cut, failureIn } from './script-output.ts'

export interface ResourceRun {
  /** Undefined where cf-agent told none. */
  readonly outcome: Exclude<ResourceOutcome, 'skipped'> | undefined
  readonly because: string | undefined
  /** It was not begun: the window closed. */
  readonly isClosed: boolean
  /** Lines of its program. */
  readonly printed: readonly string[]
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

/** What was told of each of `count` resources, by index. */
export function readRun(output: string, count: number): ResourceRun[] {
  const sections = Array.from({ length: count }, () => new Section())
  let current: Section | undefined
  for (const line of output.split('\n')) {
    const report = /^R: GRAPEVINE (\d+) (\w+)(?: (.*))?$/.exec(line)
    if (report) {
      const section = sections[Number(report[1])]
      if (report[2] === 'begin') current = section
      else section?.told(report[2] ?? '', report[3])
    } else current?.add(line)
  }
  return sections
}

/** The errors of a whole run, for a policy that is CFEngine's own. */
export function errorsIn(output: string): string[] {
  const section = new Section()
  for (const line of output.split('\n')) section.add(line)
  return section.errors
}

/** Why a resource failed; never empty. */
export function failureOf(run: ResourceRun): string {
  const said = failureIn(run.printed)
  if (said !== undefined) return said
  const reasons = [...(run.because === undefined ? [] : [run.because]), ...run.errors]
  const words = reasons.length > 0 ? reasons : [...run.warnings, ...run.printed]
  return cut(words.length > 0 ? [...new Set(words)].join(' | ') : 'cf-agent does not say why')
}

/** Lines that come beside every failure and say nothing; the first comes even where all went well. */
const noise =
  /^(?:Failed to chdir into|Errors encountered when|Warnings encountered when|Method '.*' failed in some repairs)/

class Section implements ResourceRun {
  because: string | undefined
  readonly printed: string[] = []
  readonly errors: string[] = []
  readonly warnings: string[] = []
  readonly #words = new Set<string>()

  get isClosed(): boolean {
    return this.#words.has('closed')
  }

  get outcome(): ResourceRun['outcome'] {
    // cf-agent goes on without the pattern, and calls what it did then repaired.
    if (this.errors.some((error) => error.startsWith('Regular expression error'))) return 'failed'
    return (['failed', 'repaired', 'kept'] as const).find((word) => this.#words.has(word))
  }

  told(word: string, text: string | undefined): void {
    if (word === 'because') this.because = text
    else this.#words.add(word)
  }

  add(line: string): void {
    const printed = /^(?: *notice: )?Q: "\.\.\..*?": ?(.*)$/.exec(line)
    if (printed) this.printed.push(printed[1] ?? '')
    const own = /^ *(error|warning): (.*)$/.exec(line)
    if (!own?.[2] || noise.test(own[2])) return
    const list = own[1] === 'error' ? this.errors : this.warnings
    list.push(own[2].trim())
  }
}
