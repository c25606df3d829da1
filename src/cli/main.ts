/**
 * From arguments to a command to an exit code: 0 done, 1 the answer is no, 2 wrong usage or configuration, 3 something
 * outside was not available, 4 refused, 70 our bug. Commands are loaded when they are called, so that each starts fast.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { codeOf, GrapevineError, Misconfigured, messageOf, Unavailable } from '#base/errors.ts'
import { day, minute, parseDuration } from '#base/time.ts'
import { isAddress } from '#protocol/link.ts'
import { Output } from './print.ts'

/** What every command gets beside its own options. */
export interface Call {
  readonly home: string | undefined
  readonly output: Output
}

type Options = Record<string, unknown> & { home?: string; json?: boolean; quiet?: boolean }
/** Carries out a command; returns its exit code. */
export type Action<Given extends Options = Options> = (
  call: Call,
  options: Given,
  args: readonly string[],
) => Promise<number>

interface Verb {
  readonly name: string
  readonly args?: string
  readonly summary: string
  readonly options?: readonly Option[]
  readonly example: string
  readonly load: () => Promise<{ action: Action<never> }>
}

const version = '0.1.0'

const list = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value]
const multiaddr = (flag: string, text: string): Option =>
  new Option(`${flag} <multiaddr>`, text).argParser((value: string, before: readonly string[] | undefined) => {
    if (isAddress(value)) return list(value, before)
    throw new InvalidArgumentError('Write it as /ip4/192.0.2.1/tcp/47100 or /dns/grapevine.example/tcp/47100.')
  })

const listen = multiaddr('--listen', 'where to listen, such as /ip4/0.0.0.0/tcp/47100; may be repeated')
const bootstrap = multiaddr('--bootstrap', 'address of a member to find the others through; may be repeated')

const verbs: readonly Verb[] = [
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
    example: 'grapevine check policies/web-baseline',
    load: () => import('./commands/check.ts'),
  },
  {
    name: 'publish',
    args: '<dir...>',
    summary: 'check, pack and sign policy folders; a running origin seeds them at once',
    example: 'grapevine publish policies/web-baseline',
    load: () => import('./commands/publish.ts'),
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
    name: 'fleet',
    args: '[device]',
    summary: 'at the origin: every device, its release, bundles and last report',
    example: 'grapevine fleet',
    load: () => import('./commands/fleet.ts'),
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

/** Runs a command line (without `node` and the program's name); the exit code. Never throws. */
export async function main(argv: readonly string[]): Promise<number> {
  const isJson = argv.includes('--json')
  let code = 0
  /** Help and version, which come in pieces. */
  const said: string[] = []
  heedOutput()
  try {
    await program((result) => (code = result), isJson ? said : undefined).parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    const failure = failed(error, isJson, said.join(''))
    // Programs that call TUF clients know 0 and 1.
    return failure !== 0 && argv.find((word) => !word.startsWith('-')) === 'tuf' ? 1 : failure
  }
}

/**
 * A reader that went away, as in `grapevine fleet | head`, is no fault: what is said to nobody is dropped, and the work goes on. What
 * else becomes of stdout (a full disk) is told, and in the exit code. Without these Node ends on the spot with a stack trace.
 */
function heedOutput(): void {
  process.stderr.on('error', () => {})
  process.stdout.on('error', (error) => {
    if (codeOf(error) === 'EPIPE') return
    process.once('exit', () => (process.exitCode = 3))
    new Output({ json: false, quiet: false }).error(
      new Unavailable('OUTPUT_FAILED', {
        message: `The answer could not be written: ${messageOf(error)}.`,
        where: 'stdout',
        next: 'See where its output goes, and run the command again.',
      }),
    )
  })
}

/** What every command takes. Known to the program as a whole, so that they may stand before the command, too. */
const common = (command: Command): Command =>
  command
    .option(
      '--home <dir>',
      'state folder (default: $GRAPEVINE_HOME, else ~/.local/state/grapevine, or /var/lib/grapevine for root)',
    )
    .option('--json', 'print JSON and nothing else on stdout')
    .option('--quiet', 'print no remarks')

/** `said` takes help and version where stdout is not theirs. */
function program(done: (code: number) => void, said: string[] | undefined): Command {
  const withManners = (command: Command): Command => mannered(command, said)
  const root = common(withManners(new Command('grapevine')))
    .description('A peer-to-peer policy redistribution mesh for client management.')
    .version(version, '--version')
    .addHelpText('after', '\nFirst steps: grapevine demo · grapevine init --fleet acme · docs/operate.md')
  for (const verb of verbs) {
    const words = verb.name.split(' ')
    const name = words.pop() ?? verb.name
    let parent = root
    for (const word of words) {
      const known = parent.commands.find((command) => command.name() === word)
      parent = known ?? withManners(parent.command(word)).description(`${word}s: see below`)
    }
    const command = common(withManners(parent.command(`${name} ${verb.args ?? ''}`.trim())))
      .description(verb.summary)
      .addHelpText('after', `\nExample: ${verb.example}`)
    for (const option of verb.options ?? []) command.addOption(option)
    command.action(async () => {
      const options = command.optsWithGlobals<Options>()
      const output = new Output({ json: options.json === true, quiet: options.quiet === true })
      const { action } = await verb.load()
      done(await (action as Action)({ home: options.home, output }, options, command.args))
    })
  }
  return root
}

function mannered(command: Command, said: string[] | undefined): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({
      outputError: () => {},
      ...(said && { writeOut: (text: string) => void said.push(text), writeErr: () => {} }),
    })
    .helpCommand(false)
}

function failed(error: unknown, isJson: boolean, said: string): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0 && isJson)
      new Output({ json: true, quiet: false }).document(
        error.code === 'commander.version' ? { version } : { help: said },
      )
    if (error.exitCode === 0) return 0
    if (error.code === 'commander.help' && !isJson) return 2
    const words = error.code === 'commander.help' ? 'no command was given' : error.message
    const [message, ...rest] = words.replace(/^error: /, '').split('\n')
    const usage = new Misconfigured('USAGE', {
      message: `${message ?? 'wrong usage'}${rest.length > 0 ? ` ${rest.join(' ')}` : ''}`,
      next: 'See grapevine --help, or grapevine COMMAND --help.',
    })
    new Output({ json: isJson, quiet: false }).error(usage)
    return usage.exitCode
  }
  const output = new Output({ json: isJson, quiet: false })
  if (error instanceof GrapevineError) {
    output.error(error)
    return error.exitCode
  }
  if (isJson) output.document({ error: { code: 'BUG', message: messageOf(error), where: null, next: null } })
  process.stderr.write(`grapevine: our mistake, please report it:\n${(error as Error).stack ?? String(error)}\n`)
  return 70
}

function durationOption(text: string): number {
  const parsed = parseDuration(text)
  if (parsed === undefined) throw new InvalidArgumentError('Write it as 60s, 15m, 7d, or ISO 8601 such as PT3H.')
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
