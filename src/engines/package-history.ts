/**
 * The histories that package managers keep, as text, to who changed a package last. Written by others for people: a line that does not
 * fit is passed over, and nothing here throws. Times are the machine's local ones, as they stand there.
 *
 *   /var/log/zypp/history     2026-11-24 10:00:00|command|root@till-7|'zypper' 'install' 'telnet'|
 *                             2026-11-24 10:00:03|install|telnet|1.2-165.63|x86_64|root@till-7|repo-oss|5d2c…|
 *   /var/log/apt/history.log  blocks of Start-Date, Commandline, Requested-By, Install, Upgrade, Remove, End-Date
 *   /var/log/dpkg.log         2026-11-24 10:00:03 remove telnet:amd64 0.17-44 <none>
 */

export interface PackageChange {
  readonly action: 'install' | 'remove'
  /** Local time: `2026-11-24 10:00:03`. */
  readonly at: string
  /** When the run that it belongs to ended. */
  readonly until: string
  readonly command?: string
  readonly who?: string
}

export interface PackageHistories {
  readonly zypper?: string | undefined
  readonly apt?: string | undefined
  readonly dpkg?: string | undefined
}

/** Longer lines are nobody's history. apt writes one line for a whole upgrade. */
const lineLengthMax = 100_000
const time = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/

/** The last change of each package, by name. */
export function lastChanges({ zypper, apt, dpkg }: PackageHistories): Map<string, PackageChange> {
  const changes = new Map<string, PackageChange>()
  readZypper(zypper ?? '', changes)
  readApt(apt ?? '', changes)
  readDpkg(dpkg ?? '', changes)
  return changes
}

function* linesOf(text: string): Iterable<string> {
  for (const line of text.split('\n')) if (line.length <= lineLengthMax) yield line
}

/** Of two changes the later counts; what dpkg tells of a run of apt, apt told better. */
function note(changes: Map<string, PackageChange>, name: string, change: PackageChange): void {
  const known = changes.get(name)
  if (!known || change.at > known.until || (change.command !== undefined && change.until >= known.at))
    changes.set(name, change)
}

function readZypper(text: string, changes: Map<string, PackageChange>): void {
  let command: { readonly who: string; readonly words: string } | undefined
  for (const line of linesOf(text)) {
    const [at = '', action = '', name = '', words = '', , who = ''] = line.split('|').map((part) => part.trim())
    if (!time.test(at)) continue
    if (action === 'command') command = { who: name, words: unquoted(words) }
    else if (action === 'install' || action === 'remove') {
      // What the solver took along names nobody; the command before it does.
      const by = command?.who ?? who
      note(changes, name, { action, at, until: at, ...(command && { command: command.words }), ...(by && { who: by }) })
    }
  }
}

/** `'zypper' 'install' 'telnet'` as it was typed; the folder of the program left out. */
function unquoted(words: string): string {
  const plain = words.replaceAll(/'([^']*)'/g, (_, word: string) => (/\s/.test(word) ? `'${word}'` : word))
  return plain.replace(/^\S*\//, '')
}

function readApt(text: string, changes: Map<string, PackageChange>): void {
  for (const block of text.split(/\n\s*\n/)) {
    const fields = new Map<string, string>()
    for (const line of linesOf(block)) {
      const [, key, value] = /^([A-Z][A-Za-z-]*): (.*)$/.exec(line) ?? []
      if (key !== undefined && value !== undefined) fields.set(key, value.trim())
    }
    // Two spaces stand between date and time.
    const at = fields.get('Start-Date')?.replace(/ +/, ' ') ?? ''
    const until = fields.get('End-Date')?.replace(/ +/, ' ') ?? at
    if (!time.test(at)) continue
    const command = fields.get('Commandline')
    const who = fields.get('Requested-By')
    const run = { at, until, ...(command !== undefined && { command }), ...(who !== undefined && { who }) }
    for (const key of ['Install', 'Reinstall', 'Upgrade', 'Downgrade', 'Remove', 'Purge'])
      for (const [, name = ''] of (fields.get(key) ?? '').matchAll(/(?:^|\), )([a-z0-9][a-z0-9.+-]*):[a-z0-9]+ \(/g))
        note(changes, name, { ...run, action: key === 'Remove' || key === 'Purge' ? 'remove' : 'install' })
  }
}

function readDpkg(text: string, changes: Map<string, PackageChange>): void {
  for (const line of linesOf(text)) {
    const [, at = '', word = '', name = ''] =
      /^(\S+ \S+) (install|upgrade|remove|purge) ([a-z0-9][a-z0-9.+-]*):/.exec(line) ?? []
    if (!time.test(at)) continue
    const action = word === 'install' || word === 'upgrade' ? 'install' : 'remove'
    note(changes, name, { action, at, until: at })
  }
}
