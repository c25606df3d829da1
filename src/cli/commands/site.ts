/** `grapevine site`: is my site ready for its next window; exits 0 where it is, 1 where it is not. */
import { callHome } from '#node/home-call.ts'
import { homeFolder } from '#node/config.ts'
import type { SiteDocument } from '#node/site.ts'
import type { Action } from '../main.ts'
import { agoText, sizeText } from '../print.ts'

export const action: Action = async ({ home, output }) => {
  const site = (await callHome({ home: homeFolder(home), command: 'site' })) as SiteDocument
  output.answer(site, siteText(site, Date.now()))
  return site.ready ? 0 : 1
}

/** Names that are printed; more are counted. */
const namesMax = 8

export function siteText(site: SiteDocument, now: number): string[] {
  const { ready, since, members, unheard, release } = site
  const present = members.filter((member) => member.state !== 'absent')
  const isReady = present.filter((member) => member.state === 'ready').length
  const lines = [
    `site ${site.site} is ${ready ? 'ready' : 'not ready'}${windowText(site, now)}: ${isReady} of ${present.length} members have release ${release} (so for ${agoText(Date.parse(since), now).replace(' ago', '')})`,
  ]
  if (!ready) lines.push(limitText(site, now))
  const open = present.filter((member) => member.state !== 'ready')
  if (open.length > 0) {
    const names = open.slice(0, namesMax).map(({ name, state, missingBytes }) => {
      const missing = missingBytes > 0 ? `, lacks ${sizeText(missingBytes)}` : ''
      return `${name} (${state}${missing})`
    })
    const more = open.length > namesMax ? ` and ${open.length - namesMax} more` : ''
    lines.push(`open: ${names.join(', ')}${more}`)
  }
  const absent = members.length - present.length
  if (absent + unheard > 0) lines.push(`known and not there, so not counted: ${absent + unheard}`)
  return lines
}

function windowText({ window }: SiteDocument, now: number): string {
  if (!window) return ''
  const opens = Date.parse(window.opens)
  if (opens > now) return ` for the window of ${window.bundle}, which opens ${agoText(opens, now)}`
  const closes = window.closes === null ? '' : `, which closes ${agoText(Date.parse(window.closes), now)}`
  return ` for the open window of ${window.bundle}${closes}`
}

function limitText({ limit, missingBytes, rateBytesPerSecond, readyAt, window }: SiteDocument, now: number): string {
  const missing = sizeText(missingBytes)
  const rate = `${sizeText(rateBytesPerSecond)} a second`
  switch (limit) {
    case 'line':
      return `${missing} have yet to come over the line at ${rate}: ${whenText(readyAt, window, now)}`
    case 'lan':
      return `the line is done; ${missing} have yet to come over the LAN at ${rate}: ${whenText(readyAt, window, now)}`
    case 'nobody-has-it':
      return `${missing} are missing that nobody within reach has: is the origin running, and the line up?`
    case 'preparing':
      return 'all bytes are here and are being unpacked and checked'
    case 'failed':
      return 'all bytes are here, but some bundles could not be prepared: see grapevine status there'
    case 'release':
      return 'not every member has said that it has the newest release'
    case 'waiting-for-window':
      return 'its bundle asks not to be fetched yet (prepare.ahead)'
    case null:
      return ''
  }
}

function whenText(readyAt: string | null, window: SiteDocument['window'], now: number): string {
  if (readyAt === null) return 'it cannot be told yet until when'
  const at = Date.parse(readyAt)
  const isLate = window !== null && at > Date.parse(window.opens) && Date.parse(window.opens) > now
  return `ready ${agoText(at, now)} by the present rate${isLate ? ', after the window opens' : ''}`
}
