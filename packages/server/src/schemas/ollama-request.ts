/** Bodies of Ollama's `/api/*`. Known fields that this server cannot honour are accepted here and refused later. */

import { z } from 'zod';
import { steelyardRequestSchema } from '../receipts/receipt.ts';

/** Of the hardware, which the one who starts the server decides about. */
const hardware = Object.fromEntries(
  [
    'numa',
    'num_batch',
    'num_gpu',
    'main_gpu',
    'low_vram',
    'f16_kv',
    'logits_all',
    'vocab_only',
    'use_mmap',
    'use_mlock',
    'embedding_only',
    'num_thread',
    'num_keep',
    'penalize_newline',
  ].map((name) => [name, z.union([z.number(), z.boolean()]).nullish()]),
);

const optionsSchema = z
  .strictObject({
    ...hardware,
    /** Negative: to the end of the context. */
    num_predict: z.int().nullish(),
    /** A wish: the context is as the model was loaded. */
    num_ctx: z.int().min(1).nullish(),
    temperature: z.number().min(0).max(100).nullish(),
    top_k: z.int().min(0).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    min_p: z.number().min(0).max(1).nullish(),
    seed: z.int().nullish(),
    stop: z.union([z.string(), z.array(z.string().min(1)).max(64)]).nullish(),
    repeat_penalty: z.number().positive().max(10).nullish(),
    /** The penalty here always sees prompt and answer. */
    repeat_last_n: z.int().nullish(),
    presence_penalty: z.number().min(-2).max(2).nullish(),
    frequency_penalty: z.number().min(-2).max(2).nullish(),
    tfs_z: z.number().nullish(),
    typical_p: z.number().nullish(),
    mirostat: z.int().nullish(),
    mirostat_tau: z.number().nullish(),
    mirostat_eta: z.number().nullish(),
  })
  .nullish();

/** As in `5m`, or seconds; negative: for good. */
const keepAlive = z
  .union([
    z.number(),
    z.string().regex(/^-?\d+(\.\d+)?(ns|us|µs|ms|s|m|h)?$/, "expected a time as in '5m', '30s'"),
  ])
  .nullish();

const modelName = z.string().min(1);
const images = z.array(z.unknown()).nullish();

const common = {
  model: modelName,
  stream: z.boolean().nullish(),
  format: z.union([z.enum(['', 'json']), z.record(z.string(), z.unknown())]).nullish(),
  options: optionsSchema,
  keep_alive: keepAlive,
  think: z.union([z.boolean(), z.enum(['low', 'medium', 'high'])]).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  truncate: z.boolean().nullish(),
  shift: z.boolean().nullish(),
  steelyard: steelyardRequestSchema,
};

const callSchema = z.looseObject({
  id: z.string().nullish(),
  function: z.looseObject({
    name: z.string(),
    arguments: z.record(z.string(), z.unknown()).nullish(),
    index: z.int().nullish(),
  }),
});

const messageSchema = z.strictObject({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string().nullish(),
  thinking: z.string().nullish(),
  images,
  tool_calls: z.array(callSchema).nullish(),
  tool_name: z.string().nullish(),
  tool_call_id: z.string().nullish(),
});

const toolSchema = z.looseObject({
  type: z.literal('function').nullish(),
  function: z.looseObject({
    name: z.string().min(1),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
  }),
});

export const ollamaChatSchema = z.strictObject({
  ...common,
  messages: z.array(messageSchema).nullish(),
  tools: z.array(toolSchema).nullish(),
});

export const ollamaGenerateSchema = z.strictObject({
  ...common,
  prompt: z.string().nullish(),
  suffix: z.string().nullish(),
  system: z.string().nullish(),
  template: z.string().nullish(),
  context: z.array(z.int()).nullish(),
  raw: z.boolean().nullish(),
  images,
});

export const ollamaEmbedSchema = z.strictObject({
  model: modelName,
  input: z.union([z.string(), z.array(z.string()).max(2048)]),
  truncate: z.boolean().nullish(),
  dimensions: z.int().min(1).nullish(),
  keep_alive: keepAlive,
  options: optionsSchema,
  steelyard: steelyardRequestSchema,
});

export const ollamaEmbeddingsSchema = z.strictObject({
  model: modelName,
  prompt: z.string(),
  keep_alive: keepAlive,
  options: optionsSchema,
  steelyard: steelyardRequestSchema,
});

/** The name under either of its two names. */
const named = { model: modelName.nullish(), name: modelName.nullish() };

export const ollamaShowSchema = z.strictObject({
  ...named,
  verbose: z.boolean().nullish(),
  system: z.string().nullish(),
  template: z.string().nullish(),
  options: optionsSchema,
});
export const ollamaPullSchema = z.strictObject({
  ...named,
  stream: z.boolean().nullish(),
  insecure: z.boolean().nullish(),
});
export const ollamaDeleteSchema = z.strictObject(named);
export const ollamaCopySchema = z.strictObject({ source: modelName, destination: modelName });

export type OllamaChat = z.infer<typeof ollamaChatSchema>;
export type OllamaGenerate = z.infer<typeof ollamaGenerateSchema>;
export type OllamaEmbed = z.infer<typeof ollamaEmbedSchema>;
export type OllamaEmbeddings = z.infer<typeof ollamaEmbeddingsSchema>;
export type OllamaShow = z.infer<typeof ollamaShowSchema>;
export type OllamaPull = z.infer<typeof ollamaPullSchema>;
export type OllamaCopy = z.infer<typeof ollamaCopySchema>;
export type OllamaDelete = z.infer<typeof ollamaDeleteSchema>;
/** What chat and generate have in common. */
export type OllamaAsk = Pick<OllamaChat, Exclude<keyof typeof common, 'truncate' | 'shift'>>;
