/** `steelyard explain`: the graph before and after each pass, and where bytes and operations go. */

import { optimise, passes, planMemory, weightBytes, type Graph } from '@steelyard/graph';
import type { RegisterCommand } from '../command.ts';
import { addExamples, wholeNumber } from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { stepBindings, stepCosts, type StepCosts } from '../explain/costs.ts';
import { costTables, graphText, nodeSummary } from '../explain/report.ts';
import { findModel } from '../models-by-name.ts';
import { PREFILL_TOKENS } from '../model-facts.ts';
import { formatBytes } from '../terminal/format.ts';

interface Flags {
  readonly pass?: string;
  readonly full?: boolean;
  readonly costs?: boolean;
  readonly prompt: number;
  readonly json?: boolean;
}

interface Stage {
  readonly name: string;
  readonly doc: string;
  readonly graph: Graph;
}

export const registerExplain: RegisterCommand = (program, context) => {
  const command = program
    .command('explain [model]')
    .description("a model's graph before and after each pass, and where its bytes and operations go")
    .option('--pass <name>', `only one pass: before, ${passes.map((pass) => pass.name).join(', ')}`)
    .option('--full', 'every layer, not one of each kind')
    .option('--costs', 'only the tables')
    .option('--prompt <tokens>', 'prompt of the tables', wholeNumber('--prompt', 1, 1e7), PREFILL_TOKENS)
    .option('--json', 'write costs, memory and node counts as an object')
    .action((model: string | undefined, flags: Flags) => explain(model, flags, context));
  addExamples(command, [
    'steelyard explain smollm2-135m-instruct | less',
    'steelyard explain ./model.gguf --pass merge-matmuls',
    'steelyard explain --costs',
  ]);
};

async function explain(name: string | undefined, flags: Flags, context: CommandContext): Promise<void> {
  const { path } = await findModel(name, context);
  const { file, model, pageSize } = await context.services.inspect(path);
  try {
    const stages = runPasses(model.graph);
    const final = (stages.at(-1) as Stage).graph;
    const steps = describeSteps(final, flags.prompt, pageSize);
    if (flags.json) return context.printJson({ ...asJson(stages, steps), weights: weightBytes(final) });
    if (!flags.costs) printStages(chooseStages(stages, flags.pass), flags.full === true, context);
    if (flags.pass === undefined) {
      printSteps(steps, context);
      printWeights(final, context);
    }
  } finally {
    file.close();
  }
}

function runPasses(graph: Graph): Stage[] {
  const stages: Stage[] = [{ name: 'before', doc: 'as the model is written', graph }];
  optimise(graph, (pass, after) => stages.push({ name: pass.name, doc: pass.doc, graph: after }));
  return stages;
}

/** One pass is shown with what it started from. */
function chooseStages(stages: readonly Stage[], pass: string | undefined): readonly Stage[] {
  if (pass === undefined) return stages;
  const at = stages.findIndex((stage) => stage.name === pass);
  if (at < 0) {
    throw new UsageError(
      `there is no pass '${pass}'; known: ${stages.map((stage) => stage.name).join(', ')}`,
    );
  }
  return stages.slice(Math.max(0, at - 1), at + 1);
}

function printStages(stages: readonly Stage[], full: boolean, context: CommandContext): void {
  const { style } = context;
  stages.forEach(({ name, doc, graph }, i) => {
    context.print(
      `${style.bold(name === 'before' ? 'before passes' : `after ${name}`)} ${style.dim(`(${doc})`)}`,
    );
    context.print(style.dim(nodeSummary(graph)));
    context.print(graphText(graph, stages[i - 1]?.graph, full, style));
    context.print();
  });
}

interface StepReport {
  readonly title: string;
  readonly costs: StepCosts;
  readonly arenaBytes: number;
}

function describeSteps(graph: Graph, prompt: number, pageSize: number): StepReport[] {
  const report = (title: string, tokens: number): StepReport => {
    const dims = stepBindings(tokens, prompt, pageSize);
    return { title, costs: stepCosts(graph, dims), arenaBytes: planMemory(graph, dims).arenaBytes };
  };
  return [
    report(`prefill of ${prompt} tokens`, prompt),
    report(`one decode step after ${prompt - 1} tokens`, 1),
  ];
}

function printSteps(steps: readonly StepReport[], context: CommandContext): void {
  for (const { title, costs, arenaBytes } of steps) {
    context.print(costTables(title, costs, context.style));
    context.print();
    context.print(`  memory plan: temporaries share an arena of ${formatBytes(arenaBytes)}`);
    context.print();
  }
  context.print(
    context.style.dim(
      'Operations: a multiply-add counts as two; attention counts the whole context for every token (an upper bound).\n' +
        'Bytes: every operand read once and every result written once.',
    ),
  );
}

/** What a machine must hold, where that is not all of the file. */
function printWeights(graph: Graph, context: CommandContext): void {
  const { total, experts, chosen } = weightBytes(graph);
  if (experts === 0) return;
  context.print(
    `  weights: ${formatBytes(total)}, of which ${formatBytes(total - experts)} serve every token and ` +
      `${formatBytes(experts)} are experts; a token reads ${formatBytes(chosen)} of these, and with ` +
      `--experts-on-disk only what was read lately need lie in memory`,
  );
  context.print();
}

function asJson(stages: readonly Stage[], steps: readonly StepReport[]): Record<string, unknown> {
  return {
    passes: stages.map(({ name, graph }) => ({ name, nodes: graph.nodes.length })),
    steps: steps.map(({ title, costs, arenaBytes }) => ({
      title,
      arenaBytes,
      total: costs.total,
      byOp: Object.fromEntries(costs.byOp),
      byWeight: Object.fromEntries(costs.byWeight),
    })),
  };
}
