/** The command line: its commands, and how a run of it becomes an exit code. */

import { Command, CommanderError } from 'commander';
import { registerAudit } from './commands/audit.ts';
import { registerBench } from './commands/bench.ts';
import { registerChat } from './commands/chat.ts';
import { registerConfig } from './commands/config.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerEmbed } from './commands/embed.ts';
import { registerExplain } from './commands/explain.ts';
import { registerKeys, registerProjects } from './commands/keys.ts';
import { registerList } from './commands/list.ts';
import { registerMcp } from './commands/mcp.ts';
import { registerPull } from './commands/pull.ts';
import { registerReceipts, registerReplay } from './commands/replay.ts';
import { registerRemove } from './commands/rm.ts';
import { registerRun } from './commands/run.ts';
import { registerServe } from './commands/serve.ts';
import { registerShow } from './commands/show.ts';
import { resolveConfig } from './config/resolve.ts';
import type { CommandContext } from './context.ts';
import { EXIT_USAGE, reportError } from './errors.ts';
import { packageVersion } from './version.ts';

const COMMANDS = [
  registerChat,
  registerRun,
  registerServe,
  registerMcp,
  registerConfig,
  registerKeys,
  registerProjects,
  registerAudit,
  registerEmbed,
  registerPull,
  registerList,
  registerShow,
  registerRemove,
  registerExplain,
  registerBench,
  registerReplay,
  registerReceipts,
  registerDoctor,
];

/**
 * Runs one command line (without `node` and the script) and returns its exit code: 0, 1 for errors, 2 for wrong
 * usage, 130 when Ctrl-C ended it. Never throws and never exits.
 */
export async function runCommandLine(argv: readonly string[], context: CommandContext): Promise<number> {
  let code = 0;
  const program = createProgram(context, (value) => {
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
    return reportError(error, name?.name() ?? '', context);
  }
}

function createProgram(context: CommandContext, exit: (code: number) => void): Command {
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
  for (const register of COMMANDS) register(program, context, exit);
  program.hook('preAction', (_, command) => forbidEgress(command, context));
  return program;
}

/** What is configured for the server holds for the other commands too; `serve` and `mcp` have it with their own flags. */
async function forbidEgress(command: Command, { env, services }: CommandContext): Promise<void> {
  const isConfigured = env['STEELYARD_EGRESS'] !== undefined || env['STEELYARD_CONFIG'] !== undefined;
  const hasFlags = ['serve', 'mcp'].includes(command.name());
  if (!isConfigured || hasFlags || command.parent?.name() === 'config') return;
  const { config } = await resolveConfig({ env });
  if (!config.egress) await services.forbidEgress(config.allowEgress);
}
