/** `steelyard rm`: takes models out of the store. */

import { createInterface } from 'node:readline/promises';
import { NotFoundError } from '@steelyard/core';
import type { RegisterCommand } from '../command.ts';
import { addExamples } from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import type { StoredModel } from '@steelyard/hub';
import type { ModelStore } from '../services.ts';
import { formatBytes, plural } from '../terminal/format.ts';

interface Flags {
  readonly yes?: boolean;
  readonly json?: boolean;
}

export const registerRemove: RegisterCommand = (program, context, exit) => {
  const command = program
    .command('rm <name...>')
    .description('remove models from the store')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'write an object with names and freed bytes; does not ask')
    .action(async (names: string[], flags: Flags) => exit(await remove(names, flags, context)));
  addExamples(command, ['steelyard rm smollm2-135m-instruct', 'steelyard rm --yes old-one older-one']);
};

async function remove(names: readonly string[], flags: Flags, context: CommandContext): Promise<number> {
  const store = await context.services.openStore();
  const models: StoredModel[] = [];
  // All names are looked up first: a typo in the last removes nothing.
  for (const name of new Set(names)) models.push(await findInstalled(store, name));
  const bytes = models.reduce((sum, model) => sum + model.bytes, 0);
  const asks = !flags.yes && !flags.json && context.stdin.isTTY === true;
  if (
    asks &&
    !(await confirm(`remove ${plural(models.length, 'model')}, ${formatBytes(bytes)}? [y/N] `, context))
  ) {
    context.note('nothing removed');
    return 1;
  }
  let freed = 0;
  for (const model of models) freed += (await store.remove(model.name)).freedBytes;
  if (flags.json) context.printJson({ removed: models.map((model) => model.name), freedBytes: freed });
  else context.print(`removed ${models.map((model) => model.name).join(', ')}; ${formatBytes(freed)} freed`);
  return 0;
}

async function findInstalled(store: ModelStore, name: string): Promise<StoredModel> {
  const model = await store.find(name);
  // `find` takes the beginning of a name too, which is too easily typed for something that deletes.
  if (model && [model.name, model.source].some((whole) => whole.toLowerCase() === name.toLowerCase()))
    return model;
  throw new NotFoundError(
    `no model '${name}' in the store; nothing was removed; for the names: steelyard list`,
  );
}

async function confirm(question: string, context: CommandContext): Promise<boolean> {
  const readline = createInterface({
    input: context.stdin,
    output: context.stderr as unknown as NodeJS.WritableStream,
  });
  // Ctrl-C and Ctrl-D mean no.
  const answer = await Promise.race([
    readline.question(question),
    new Promise<string>((resolve) => readline.once('close', () => resolve(''))),
  ]);
  readline.close();
  return /^y(es)?$/i.test(answer.trim());
}
