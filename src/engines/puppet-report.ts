/**
 * What a run of Puppet did, resource by resource. Puppet's own report is YAML of Ruby objects, half a kilobyte for each resource that had
 * nothing to do; `reporter` is a report processor (Puppet's interface for such) that writes what we read, as JSON, in its place.
 *
 * Bytes: `{"errors": [text], "resources": [{"type", "title", "outcome", "events": [{"property", "previous", "desired", "message"}],
 * "words": [{"level", "text"}]}]}`; `outcome` is `kept`, `changed`, `pending` (it would be, with --noop), `failed` or `skipped`. Texts are
 * cut at 1000 characters, events and words of a resource at 20.
 */
import { open } from 'node:fs/promises'
import { cut } from './script-output.ts'

export interface PuppetEvent {
  readonly property: string
  readonly previous: string
  readonly desired: string
  readonly message: string
}

export interface PuppetResource {
  /** `File`, `Exec`, `Nginx::Site`. */
  readonly type: string
  readonly title: string
  readonly outcome: 'kept' | 'changed' | 'pending' | 'failed' | 'skipped'
  readonly events: readonly PuppetEvent[]
  readonly words: readonly { readonly level: string; readonly text: string }[]
}

export interface PuppetReport {
  /** Errors that belong to no resource. */
  readonly errors: readonly string[]
  /** As they were evaluated. */
  readonly resources: readonly PuppetResource[]
}

/** 2000 resources with what Puppet says of each; a policy of Puppet's own may have more. */
const reportBytesMax = 33_554_432

/** Undefined where there is none, or more than we read. */
export async function readPuppetReport(path: string): Promise<PuppetReport | undefined> {
  const text = await textAt(path, reportBytesMax)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as PuppetReport
  } catch {
    return undefined
  }
}

/** The text of a file that may hold anything; undefined where it is not there or larger. */
export async function textAt(path: string, bytesMax: number): Promise<string | undefined> {
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    return size > bytesMax ? undefined : await file.readFile('utf8')
  } catch {
    return undefined
  }
}

/** Why a resource failed or was skipped, in Puppet's words; never empty. */
export function reasonOf({ events, words, outcome }: PuppetResource): string {
  if (words.some(({ text }) => text.startsWith('Not removing directory'))) return 'it is a directory'
  // What a program printed is among the words; skipped resources have no events.
  const told = [...(outcome === 'failed' ? events.map(({ message }) => message) : []), ...words.map(({ text }) => text)]
  const reasons = told.map(plain).filter((text) => text !== '')
  return cut(reasons.length > 0 ? [...new Set(reasons)].join(' | ') : 'Puppet does not say why')
}

/** Without the place in a manifest that we wrote, and what Puppet wraps around the cause. */
const plain = (text: string): string =>
  text
    .replace(/ \(file: .*?, line: \d+(?:, column: \d+)?\)/g, '')
    .replace(/^change from .{0,200}? to .{0,200}? failed: /s, '')
    .replace(/^Could not set '[^']{0,200}' on \w+: /, '')
    .trim()

/** `puppet/reports/grapevine.rb` in a folder of Puppet's libraries; `reports = grapevine` names it. It writes into the folder vardir. */
export const reportFile = 'grapevine-report.json'
export const reporter = `require 'json'
Puppet::Reports.register_report(:grapevine) do
  def process
    text = ->(value) { value.to_s.dup.force_encoding('UTF-8').scrub('?')[0, 1000] }
    # The source of a word is the path of a resource, or that and one of its properties.
    words = Hash.new { |hash, key| hash[key] = [] }
    logs.each do |log|
      next if log.level == :debug || log.level == :info
      [log.source, log.source.rpartition('/').first].each do |source|
        words[source] << { level: log.level, text: text.(log.message) } if words[source].length < 20
      end
    end
    resources = resource_statuses.values.map do |status|
      outcome =
        if status.failed || status.failed_to_restart then 'failed'
        elsif status.skipped then 'skipped'
        elsif status.changed then 'changed'
        elsif status.out_of_sync then 'pending'
        else 'kept'
        end
      events = status.events.reject { |event| event.audited }.first(20).map do |event|
        { property: text.(event.property), previous: text.(event.previous_value), desired: text.(event.desired_value), message: text.(event.message) }
      end
      { type: status.resource_type, title: text.(status.title), outcome: outcome, events: events, words: words['/' + status.containment_path.join('/')] }
    end
    errors = logs.select { |log| log.level == :err && log.source == 'Puppet' }.first(20).map { |log| text.(log.message) }
    File.write(File.join(Puppet[:vardir], '${reportFile}'), JSON.generate({ errors: errors, resources: resources }))
  end
end
`
