/** The command line: its commands, and how a run of it becomes an exit code. */

import { Command, CommanderError } from 'commander';
import type { CommandContext } from './context.ts';
import { EXIT_USAGE, reportError } from './errors.ts';
import { packageVersion } from './version.ts';

type RegisterCommand = (program: Command, context: CommandContext, exit: (code: number) => void) => void;

/** Each is loaded when it is named, so that one starts without what the others need; for help all are. */
const COMMANDS: ReadonlyMap<string, () => Promise<RegisterCommand>> = new Map(
  Object.entries({
    chat: async () => (await import('./commands/chat.ts')).registerChat,
    run: async () => (await import('./commands/run.ts')).registerRun,
    serve: async () => (await import('./commands/serve.ts')).registerServe,
    mcp: async () => (await import('./commands/mcp.ts')).registerMcp,
    config: async () => (await import('./commands/config.ts')).registerConfig,
    keys: async () => (await import('./commands/keys.ts')).registerKeys,
    projects: async () => (await import('./commands/keys.ts')).registerProjects,
    audit: async () => (await import('./commands/audit.ts')).registerAudit,
    embed: async () => (await import('./commands/embed.ts')).registerEmbed,
    pull: async () => (await import('./commands/pull.ts')).registerPull,
    list: async () => (await import('./commands/list.ts')).registerList,
    show: async () => (await import('./commands/show.ts')).registerShow,
    rm: async () => (await import('./commands/rm.ts')).registerRemove,
    explain: async () => (await import('./commands/explain.ts')).registerExplain,
    bench: async () => (await import('./commands/bench.ts')).registerBench,
    replay: async () => (await import('./commands/replay.ts')).registerReplay,
    receipts: async () => (await import('./commands/replay.ts')).registerReceipts,
    doctor: async () => (await import('./commands/doctor.ts')).registerDoctor,
  }),
);

/**
 * Runs one command line (without `node` and the script) and returns its exit code: 0, 1 for errors, 2 for wrong
 * usage, 130 when Ctrl-C ended it. Never throws and never exits.
 */
export async function runCommandLine(argv: readonly string[], context: CommandContext): Promise<number> {
  let code = 0;
  const named = COMMANDS.get(argv[0] ?? '');
  const registers = await Promise.all((named ? [named] : [...COMMANDS.values()]).map((load) => load()));
  const program = createProgram(registers, context, (value) => {
    code = value;
  });
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    const name = program.commands.find(
      (command) => command.name() === argv[0] || command.aliases().includes(argv[0] ?? ''),
    );
    return reportError(error, name?.name() ?? '', context, argv);
  }
}

function createProgram(
  registers: readonly RegisterCommand[],
  context: CommandContext,
  exit: (code: number) => void,
): Command {
  const program = new Command('steelyard')
    .description('Run, serve and look into open-weight language models on this machine.')
    .version(packageVersion(), '-V, --version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help of a command')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      getOutHelpWidth: () => context.stdout.columns ?? 100,
      getErrHelpWidth: () => context.stderr.columns ?? 100,
      outputError: (text, write) =>
        write(
          `${context.errorStyle.red('steelyard:')} ${text.replace(/^error: /, '').trimEnd()}; see: steelyard --help\n`,
        ),
    })
    .configureHelp({ styleTitle: (title) => context.style.bold(title) })
    .addHelpText(
      'after',
      '\nA MODEL is a name from `steelyard list`, a file or folder, or a source to pull.\n' +
        '\nExamples:\n  steelyard chat\n  steelyard run "Name three rivers."\n  steelyard serve\n  steelyard doctor',
    );
  for (const register of registers) register(program, context, exit);
  program.hook('preAction', (_, command) => forbidEgress(command, context));
  return program;
}

/** What is configured for the server holds for the other commands too; `serve` and `mcp` have it with their own flags. */
async function forbidEgress(command: Command, { env, services }: CommandContext): Promise<void> {
  const isConfigured = env['STEELYARD_EGRESS'] !== undefined || env['STEELYARD_CONFIG'] !== undefined;
  const hasFlags = ['serve', 'mcp'].includes(command.name());
  if (!isConfigured || hasFlags || command.parent?.name() === 'config') return;
  const { resolveConfig } = await import('./config/resolve.ts');
  const { config } = await resolveConfig({ env });
  if (!config.egress) await services.forbidEgress(config.allowEgress);
}
