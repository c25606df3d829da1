/**
 * From arguments to a command to an exit code: 0 done, 1 the answer is no, 2 wrong usage or configuration, 3 something
 * outside was not available, 4 refused, 70 our bug. Commands are loaded when they are called, so that each starts fast.
 */
import { Command, CommanderError } from 'commander'
import { codeOf, GrapevineError, Misconfigured, messageOf, Unavailable } from '#base/errors.ts'
import { Output } from './print.ts'
import { verbs } from './verbs.ts'

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

const version = '0.1.0'

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
