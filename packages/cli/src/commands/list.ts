/** `steelyard list`: the models in the store. */

import type { RegisterCommand } from '../command.ts';
import { addExamples } from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { formatBytes, plural } from '../terminal/format.ts';
import { sanitiseLine } from '../terminal/sanitise.ts';
import { renderTable } from '../terminal/table.ts';

export const registerList: RegisterCommand = (program, context) => {
  const command = program
    .command('list')
    .alias('ls')
    .description('the models in the store')
    .option('--json', 'write an array of models')
    .action((flags: { readonly json?: boolean }) => list(flags.json === true, context));
  addExamples(command, ['steelyard list', "steelyard list --json | jq '.[].name'"]);
};

async function list(json: boolean, context: CommandContext): Promise<void> {
  const store = await context.services.openStore();
  const models = await store.list();
  if (json) return context.printJson(models);
  if (models.length === 0) {
    context.note('The store is empty. To get a model: steelyard pull');
    return;
  }
  const { style } = context;
  const rows = models.map((model) => [
    sanitiseLine(model.name),
    formatBytes(model.bytes),
    model.pulledAt.slice(0, 10),
    sanitiseLine(model.source),
  ]);
  context.print(
    renderTable([['name', 'size', 'pulled', 'source'].map((title) => style.dim(title)), ...rows], {
      right: [1],
    }),
  );
  const total = models.reduce((sum, model) => sum + model.bytes, 0);
  if (context.stdout.isTTY)
    context.print(style.dim(`${plural(models.length, 'model')}, ${formatBytes(total)}, in ${store.root}`));
}
