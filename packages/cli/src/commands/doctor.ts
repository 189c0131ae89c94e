/** `steelyard doctor`: what this machine offers, what is used and why, and what to do about the rest. */

import type { RegisterCommand } from '../command.ts';
import { addExamples } from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_ERROR } from '../errors.ts';
import type { Check } from '../doctor/check.ts';
import {
  checkBackend,
  checkCompiler,
  checkMemory,
  checkNode,
  checkPlatform,
  checkProcessor,
  checkWasm,
  findCompiler,
} from '../doctor/machine.ts';
import { checkNetwork, summarise } from '../doctor/network.ts';
import { checkDefaultModel, checkStore } from '../doctor/store.ts';
import { packageVersion } from '../version.ts';

interface Flags {
  readonly network?: boolean;
  readonly json?: boolean;
}

export const registerDoctor: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('doctor')
    .description('check this machine: what is used, why, and what to do')
    .option('--network', 'also check the ways to models: hub, npm, pip')
    .option('--json', 'write an object')
    .action(async (flags: Flags) => exit(await doctor(flags, context)));
  addExamples(command, ['steelyard doctor', 'steelyard doctor --network --json']);
};

async function doctor(flags: Flags, context: CommandContext): Promise<number> {
  const checks = await runChecks(flags.network === true, context);
  const failed = checks.some((check) => check.status === 'fail');
  if (flags.json) context.printJson({ version: packageVersion(), ok: !failed, checks });
  else print(checks, context);
  return failed ? EXIT_ERROR : 0;
}

async function runChecks(network: boolean, context: CommandContext): Promise<Check[]> {
  const { services } = context;
  const [report, store, compiler] = await Promise.all([
    services.cpuReport(),
    services.openStore(),
    findCompiler(context.env),
  ]);
  return [
    checkPlatform(),
    checkNode(),
    checkProcessor(),
    checkBackend(report, compiler, context.env),
    checkWasm(report),
    checkCompiler(compiler, report),
    checkMemory(),
    await checkStore(store),
    await checkDefaultModel(store),
    ...(network ? await checkNetwork(await services.hubUrl(context.env)) : []),
  ];
}

function print(checks: readonly Check[], context: CommandContext): void {
  const { style } = context;
  const marks = { ok: style.green('ok  '), warn: style.yellow('warn'), fail: style.red('fail') };
  const width = Math.max(...checks.map((check) => check.name.length));
  context.print(style.bold(`steelyard ${packageVersion()}`));
  for (const { name, status, found, advice } of checks) {
    context.print(`${marks[status]}  ${name.padEnd(width)}  ${found}`);
    if (advice !== undefined) context.print(`${' '.repeat(width + 8)}-> ${advice}`);
  }
  context.print(summarise(checks));
}
