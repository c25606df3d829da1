/** Every command with its options and an example: what `--help` tells, and what is loaded when it is called. */
import { InvalidArgumentError, Option } from 'commander'
import { day, minute, parseDuration } from '#base/time.ts'
import { isAddress } from '#protocol/link.ts'
import type { Action } from './main.ts'
import { parseUntil } from './until.ts'

interface Verb {
  readonly name: string
  readonly args?: string
  readonly summary: string
  readonly options?: readonly Option[]
  readonly example: string
  readonly load: () => Promise<{ action: Action<never> }>
}

const list = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value]
const multiaddr = (flag: string, text: string): Option =>
  new Option(`${flag} <multiaddr>`, text).argParser((value: string, before: readonly string[] | undefined) => {
    if (isAddress(value)) return list(value, before)
    throw new InvalidArgumentError('Write it as /ip4/192.0.2.1/tcp/47100 or /dns/grapevine.example/tcp/47100.')
  })

const listen = multiaddr('--listen', 'where to listen, such as /ip4/0.0.0.0/tcp/47100; may be repeated')
const bootstrap = multiaddr('--bootstrap', 'address of a member to find the others through; may be repeated')
const urgent = new Option(
  '--urgent',
  'fetched before all else, and applied outside windows where a device allows it',
).default(false)

export const verbs: readonly Verb[] = [
  {
    name: 'init',
    summary: 'make this machine the origin of a new fleet: keys and a first signed release',
    options: [
      new Option('--fleet <name>', 'name of the fleet').makeOptionMandatory(),
      new Option('--site <name>', 'site that the origin itself is in').default('origin'),
      new Option('--name <name>', 'name of this machine (default: its host name)'),
      listen,
    ],
    example: 'grapevine init --fleet acme',
    load: () => import('./commands/init.ts'),
  },
  {
    name: 'check',
    args: '<dir...>',
    summary: 'validate policy folders; every error with file:line:column',
    options: [
      new Option(
        '--for <device>',
        'which of them a machine would get: a file of facts --json, or a device of the fleet',
      ),
    ],
    example: 'grapevine check policies/web-baseline',
    load: () => import('./commands/check.ts'),
  },
  {
    name: 'publish',
    args: '<dir...>',
    summary: 'check, pack and sign policy folders; a running origin seeds them at once',
    options: [urgent],
    example: 'grapevine publish policies/web-baseline',
    load: () => import('./commands/publish.ts'),
  },
  {
    name: 'unpublish',
    args: '<name...>',
    summary: 'at the origin: withdraw bundles from the next release; devices stop enforcing them and undo nothing',
    example: 'grapevine unpublish web-baseline',
    load: () => import('./commands/unpublish.ts'),
  },
  {
    name: 'rollback',
    args: '<name>',
    summary: 'at the origin: publish older content of a bundle as a new version',
    options: [
      new Option('--to <version>', 'whose content is published again').argParser(countOption),
      new Option('--list', 'show the versions that can be rolled back to').default(false),
      urgent,
    ],
    example: 'grapevine rollback web-baseline --to 3',
    load: () => import('./commands/rollback.ts'),
  },
  {
    name: 'token create',
    summary: 'print a join token for a site, one line',
    options: [
      new Option('--site <name>', 'site of the members that join with it').makeOptionMandatory(),
      new Option('--role <role>', 'what they are').choices(['client', 'relay']).default('client'),
      new Option('--label <key=value>', 'label of the members, for select; may be repeated').argParser(list),
      new Option('--ttl <duration>', 'how long it can be used to join')
        .default(7 * day, '7d')
        .argParser(lifetimeOption),
      new Option('--max <count>', 'how many members may join with it').default(1).argParser(countOption),
      multiaddr('--address', 'address that they find the fleet at (default: those of this origin); may be repeated'),
    ],
    example: 'grapevine token create --site berlin --role relay',
    load: () => import('./commands/token-create.ts'),
  },
  {
    name: 'token list',
    summary: 'every token of the fleet, and how many devices joined with it',
    example: 'grapevine token list --json',
    load: () => import('./commands/token-list.ts'),
  },
  {
    name: 'join',
    args: '<token>',
    summary: 'make this machine a member, without asking any server; then `grapevine run`',
    options: [listen, bootstrap, new Option('--name <name>', 'name of this machine (default: its host name)')],
    example: 'grapevine join gvj1_…',
    load: () => import('./commands/join.ts'),
  },
  {
    name: 'run',
    summary: 'the daemon of any member; prints `ready` and its addresses when it serves',
    options: [
      listen,
      bootstrap,
      new Option('--log <level>', 'least level that is logged').choices(['debug', 'info', 'warn', 'error']),
    ],
    example: 'grapevine run',
    load: () => import('./commands/run.ts'),
  },
  {
    name: 'status',
    summary: 'this member: neighbours, bundles, what crossed the line',
    example: 'grapevine status --json',
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'wait',
    summary: 'wait until every bundle meant for this member has reached a state',
    options: [
      new Option('--state <state>', 'what to wait for').choices(['prepared', 'applied']).makeOptionMandatory(),
      new Option('--release <number>', 'in this release or a later one (default: the newest it knows)').argParser(
        countOption,
      ),
      new Option('--timeout <duration>', 'give up after this long').default(minute, '60s').argParser(durationOption),
    ],
    example: 'grapevine wait --state applied --timeout 10m',
    load: () => import('./commands/wait.ts'),
  },
  {
    name: 'apply',
    summary: 'apply what is prepared, in its window',
    options: [new Option('--now', 'apply outside the window too').default(false)],
    example: 'grapevine apply --now',
    load: () => import('./commands/apply.ts'),
  },
  {
    name: 'drift',
    args: '[bundle]',
    summary: 'look now whether what is applied here still is as wanted; exits 1 where something differs',
    options: [new Option('--last', 'what the last look found, without looking again').default(false)],
    example: 'grapevine drift web-baseline',
    load: () => import('./commands/drift.ts'),
  },
  {
    name: 'windows',
    args: '[what...]',
    summary: 'when what is meant for this member may be applied next; or a bundle, or policy folders',
    options: [new Option('--count <number>', 'openings of each (default: 5)').argParser(countOption)],
    example: 'grapevine windows web-baseline --count 3',
    load: () => import('./commands/windows.ts'),
  },
  {
    name: 'pause',
    args: '[bundle]',
    summary: 'apply and repair nothing on this machine, or nothing of one bundle, until a time; the origin hears of it',
    options: [
      new Option('--until <time>', 'ISO 8601, or how long from now; at most 90 days')
        .argParser(untilOption)
        .makeOptionMandatory(),
      new Option('--reason <text>', 'why, in one line; shown at the origin').makeOptionMandatory(),
    ],
    example: 'grapevine pause --until 4h --reason stocktaking',
    load: () => import('./commands/pause.ts'),
  },
  {
    name: 'resume',
    args: '[bundle]',
    summary: 'end the pause of one bundle, or all pauses of this machine',
    example: 'grapevine resume',
    load: () => import('./commands/resume.ts'),
  },
  {
    name: 'leave',
    summary: 'leave the fleet and remove every trace of it from this machine; asks first',
    options: [
      new Option('--yes', 'do not ask').default(false),
      new Option('--origin', 'also where this is the origin: that ends the fleet').default(false),
      new Option('--wait <duration>', 'how long the last report may take to be handed on')
        .default(10_000, '10s')
        .argParser(durationOption),
    ],
    example: 'grapevine leave --yes',
    load: () => import('./commands/leave.ts'),
  },
  {
    name: 'fleet',
    args: '[device]',
    summary: 'at the origin: every device, its release, bundles and last report; what one of them consists of',
    options: [new Option('--packages', 'with the packages of the device')],
    example: 'grapevine fleet till-7 --packages',
    load: () => import('./commands/fleet.ts'),
  },
  {
    name: 'facts',
    summary: 'what this machine says of itself to the origin, and what that takes on the line',
    example: 'grapevine facts --json',
    load: () => import('./commands/facts.ts'),
  },
  {
    name: 'site',
    summary: 'is this site ready for its next window; what is missing, until when',
    example: 'grapevine site',
    load: () => import('./commands/site.ts'),
  },
  {
    name: 'why',
    summary: 'the ledger: where each byte on the line went',
    options: [new Option('--content <digest>', 'one content alone; the beginning of its digest is enough')],
    example: 'grapevine why --content 3f2a',
    load: () => import('./commands/why.ts'),
  },
  {
    name: 'doctor',
    summary: 'check clock, disk, port, discovery, engine and neighbours; each failure says what to do',
    example: 'grapevine doctor',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'tuf',
    args: '<init|refresh|download> [root]',
    summary: 'a plain TUF client for any repository over HTTP; exits 0 or 1',
    options: [
      new Option('--metadata-dir <dir>', 'folder of the verified metadata; init makes it'),
      new Option('--metadata-url <url>', 'where the repository serves its metadata'),
      new Option('--target-name <path>', 'target to download; may be repeated').argParser(list),
      new Option('--target-dir <dir>', 'folder that targets are downloaded into'),
      new Option('--target-base-url <url>', 'where the repository serves its targets'),
    ],
    example:
      'grapevine tuf --metadata-dir trust init root.json && grapevine tuf --metadata-dir trust --metadata-url https://example.org/metadata refresh',
    load: () => import('./commands/tuf.ts'),
  },
  {
    name: 'demo',
    summary: 'a small fleet on this machine, live; leaves nothing behind',
    options: [new Option('--keep', 'keep its folders, for a look at them').default(false).hideHelp()],
    example: 'grapevine demo',
    load: () => import('./commands/demo.ts'),
  },
]

function durationOption(text: string): number {
  const parsed = parseDuration(text)
  if (parsed === undefined) throw new InvalidArgumentError('Write it as 60s, 15m, 7d, or ISO 8601 such as PT3H.')
  return parsed
}

function untilOption(text: string): number {
  const parsed = parseUntil(text, Date.now())
  if (parsed === undefined) throw new InvalidArgumentError('Write it as 4h, 2d, 2026-03-07T06:00 or 2026-03-07T06:00Z.')
  return parsed
}

function lifetimeOption(text: string): number {
  const parsed = durationOption(text)
  if (parsed === 0) throw new InvalidArgumentError('It must last some time.')
  return parsed
}

function countOption(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Write a whole number from 1 on.')
  return Number(text)
}
