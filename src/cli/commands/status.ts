/** `grapevine status`: is this member fine, in the first line; then what it holds and whom it talks to. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { StatusDocument } from '#node/status.ts'
import type { Action } from '../main.ts'
import { pauseText } from '../pause-text.ts'
import { agoText, missedText, sizeText, table } from '../print.ts'
import { watchedText, watchedWords } from '../watched-text.ts'

export const action: Action = async ({ home, output }) => {
  const status = (await callHome({ home: homeFolder(home), command: 'status' })) as StatusDocument
  output.answer(status, statusText(status, Date.now()))
  return 0
}

function statusText(status: StatusDocument, now: number): string[] {
  const { role, site, name, fleet, release, peers, bundles, contents, wan, outbox, running, drift, monitors } = status
  const failing = monitors.filter(({ state }) => state === 'failing').length
  const meant = bundles.filter((bundle) => bundle.state !== 'withdrawn')
  const pending = meant.filter((bundle) => bundle.state !== 'applied').length
  const health = !running
    ? 'not running: start it with `grapevine run`'
    : peers.length === 0 && role !== 'origin'
      ? 'no neighbour yet'
      : pending === 0
        ? watchedWords(drift.length, failing) || 'all well'
        : `${pending} of ${meant.length} bundles not applied yet`
  const lines = [
    `${name} is ${role} of ${fleet}, site ${site}: ${health}`,
    `release ${release}, ${contents.complete} contents complete, ${contents.partial} partial, ${outbox} reports waiting`,
    `line: ${sizeText(wan.downBytes)} down, ${sizeText(wan.upBytes)} up${wan.factor === null ? '' : `, of ${sizeText(wan.neededBytes)} needed`}`,
  ]
  lines.push(...status.pauses.map((pause) => pauseText(pause, now)))
  if (bundles.length > 0)
    lines.push(
      '',
      ...table(
        ['BUNDLE', 'VERSION', 'STATE', 'WINDOW', 'REASON'],
        bundles.map((bundle) => [
          bundle.name,
          String(bundle.version),
          bundle.state,
          bundle.withdrawnAt === null
            ? `${bundle.urgent ? 'urgent, ' : ''}${windowText(bundle.windowOpens, bundle.windowCloses, now)}`
            : '-',
          reasonText(bundle, now),
        ]),
      ),
    )
  lines.push(...watchedText(status, now))
  if (peers.length > 0)
    lines.push(
      '',
      ...table(
        ['NEIGHBOUR', 'ROLE', 'SITE', 'ADDRESS'],
        peers.map((peer) => [peer.name, peer.role, peer.inside ? `${peer.site} (ours)` : peer.site, peer.address]),
      ),
    )
  return lines
}

function reasonText({ reason, missed, withdrawnAt }: StatusDocument['bundles'][number], now: number): string {
  if (withdrawnAt !== null) {
    const since = agoText(Date.parse(withdrawnAt), now).replace(' ago', '')
    return `not meant for this machine since ${since}; what it did stays`
  }
  const windows = missed && missedText(missed.count, Date.parse(missed.closed), missed.reason)
  return [reason, windows].filter(Boolean).join('; ')
}

function windowText(opens: string | null, closes: string | null, now: number): string {
  if (opens === null) return 'any time'
  const isOpen = Date.parse(opens) <= now
  return isOpen
    ? `open, closes ${closes === null ? 'never' : agoText(Date.parse(closes), now)}`
    : `opens ${agoText(Date.parse(opens), now)}`
}
