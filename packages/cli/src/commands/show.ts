/** `steelyard show`: everything known of one model, without running it. */

import { SteelyardError } from '@steelyard/core';
import type { RegisterCommand } from '../command.ts';
import { addExamples } from '../command-options.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { PREFILL_TOKENS, dtypeShares, estimateMemory, hasChatTemplate, licenceOf } from '../model-facts.ts';
import { findModel, type FoundModel } from '../models-by-name.ts';
import { formatBytes, formatCount, plural } from '../terminal/format.ts';
import { sanitiseLine } from '../terminal/sanitise.ts';
import { renderTable } from '../terminal/table.ts';

export const registerShow: RegisterCommand = (program, context) => {
  const command = program
    .command('show [model]')
    .description(
      'architecture, parameters, formats, context, template, licence, source and memory of a model',
    )
    .option('--supported', 'list the architectures that can be run, and how each was proven')
    .option('--json', 'write an object')
    .action((model: string | undefined, flags: { readonly json?: boolean; readonly supported?: boolean }) =>
      flags.supported
        ? showSupported(model, flags.json === true, context)
        : show(model, flags.json === true, context),
    );
  addExamples(command, [
    'steelyard show smollm2-135m-instruct',
    'steelyard show ./model.gguf --json | jq .memory',
    'steelyard show --supported',
  ]);
};

/** The registry of models. */
async function showSupported(
  model: string | undefined,
  json: boolean,
  context: CommandContext,
): Promise<void> {
  if (model !== undefined)
    throw new UsageError('--supported lists every architecture; give no model with it');
  const all = await context.services.architectures();
  if (json) return context.printJson(all);
  const { style } = context;
  const head = ['architecture', 'model_type', 'GGUF', 'makes', 'agrees with transformers on'];
  const rows = all.map(({ name, huggingFace, gguf, encoder, variants }) => [
    style.bold(name),
    huggingFace.join(', '),
    gguf.join(', ') || 'none',
    encoder ? 'vectors' : 'text',
    `${plural(variants.length, 'tiny model')}: ${variants.join(', ')}`,
  ]);
  context.print(renderTable([head.map((word) => style.dim(word)), ...rows]));
}

async function show(name: string | undefined, json: boolean, context: CommandContext): Promise<void> {
  const model = await findModel(name, context);
  const stored = storedFacts(model);
  let facts: ModelFacts | undefined;
  let problem: string | undefined;
  try {
    facts = await readFacts(model, context);
  } catch (error) {
    // A model that this version cannot run is still in the store, and can be shown.
    if (!(error instanceof SteelyardError)) throw error;
    problem = error.message;
  }
  if (json) context.printJson({ ...stored, ...facts, licence: facts?.licence ?? stored.licence, problem });
  else print(stored, facts, problem, context);
}

function storedFacts({ name, path, installed }: FoundModel) {
  return {
    name,
    path,
    source: installed?.source,
    digest: installed?.digest,
    pulledAt: installed?.pulledAt,
    bytes: installed?.bytes,
    licence: installed?.license,
    files: installed?.files,
  };
}

type ModelFacts = Awaited<ReturnType<typeof readFacts>>;

async function readFacts({ path }: FoundModel, context: CommandContext) {
  const inspection = await context.services.inspect(path);
  const { file, model } = inspection;
  try {
    const { config } = model;
    const all = await context.services.architectures();
    return {
      format: file.format,
      architecture: config.architecture,
      parameters: model.parameterCount,
      quantisation: dtypeShares(model.weights),
      contextLength: config.contextLength,
      vocabSize: config.vocabSize,
      layers: config.layers,
      hiddenSize: config.hiddenSize,
      heads: config.heads,
      kvHeads: config.kvHeads,
      headDim: config.headDim,
      facts: model.facts,
      provenBy: all.find(({ name }) => name === config.architecture)?.variants ?? [],
      chatTemplate: hasChatTemplate(file),
      licence: licenceOf(file),
      memory: estimateMemory(inspection),
    };
  } finally {
    file.close();
  }
}

function print(
  stored: ReturnType<typeof storedFacts>,
  facts: ModelFacts | undefined,
  problem: string | undefined,
  context: CommandContext,
): void {
  const { style } = context;
  const rows: [string, string | undefined][] = [
    ...(facts ? modelRows(facts) : []),
    ['licence', facts?.licence ?? stored.licence ?? 'not stated'],
    ['source', stored.source ?? 'not pulled'],
    ['digest', stored.digest],
    ['pulled', stored.pulledAt],
    ['path', stored.path],
    ...(facts ? memoryRows(facts) : []),
  ];
  context.print(style.bold(sanitiseLine(stored.name)));
  const shown = rows.flatMap(([key, value]) =>
    value === undefined ? [] : [[style.dim(key), sanitiseLine(value)]],
  );
  context.print(renderTable(shown, { indent: '  ' }));
  if (problem !== undefined)
    context.note(`${context.errorStyle.yellow('cannot be run:')} ${sanitiseLine(problem)}`);
}

function modelRows(facts: ModelFacts): [string, string][] {
  const { hiddenSize, layers, heads, kvHeads, headDim } = facts;
  return [
    ['architecture', facts.architecture],
    ['parameters', formatCount(facts.parameters)],
    ...facts.quantisation.map(({ dtype, tensors, bytes }, i): [string, string] => [
      i === 0 ? 'quantisation' : '',
      `${dtype}: ${plural(tensors, 'tensor')}, ${formatBytes(bytes)}`,
    ]),
    ['context', `${facts.contextLength} tokens`],
    ['vocabulary', `${facts.vocabSize} tokens`],
    [
      'shape',
      `${layers} layers of ${hiddenSize}; ${heads} heads of ${headDim}, ${kvHeads} for keys and values`,
    ],
    ...Object.entries(facts.facts),
    ['chat template', facts.chatTemplate ? 'yes' : 'no'],
    ['format', facts.format],
    [
      'proven by',
      `${plural(facts.provenBy.length, 'tiny model')} that agree with transformers: ${facts.provenBy.join(', ')}`,
    ],
  ];
}

function memoryRows({ memory, contextLength }: ModelFacts): [string, string][] {
  const total = memory.weights + memory.cache + memory.states + memory.temporaries;
  const states: [string, string][] =
    memory.states > 0 ? [['', `${formatBytes(memory.states)} recurrent states of each sequence`]] : [];
  return [
    ['memory', `${formatBytes(total)} at full context:`],
    ['', `${formatBytes(memory.weights)} weights`],
    [
      '',
      `${formatBytes(memory.cache)} cache of ${contextLength} tokens, ${formatBytes(memory.cachePerToken)} each`,
    ],
    ...states,
    ['', `${formatBytes(memory.temporaries)} temporaries, prompts in steps of ${PREFILL_TOKENS} tokens`],
  ];
}
