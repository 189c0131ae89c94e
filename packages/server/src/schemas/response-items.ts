/** Items of a response's input as they come, and as they are kept, answered and given back. */

import { z } from 'zod';
import {
  approvalResponseSchema,
  fileCitationSchema,
  itemIdSchema as id,
  toolInputItems,
  toolItemSchemas,
} from './tool-items.ts';

/** Kinds that OpenAI knows and this server refuses by name instead of calling them invalid. */
const otherItems = [
  'computer_call',
  'computer_call_output',
  'web_search_call',
  'tool_search_call',
  'tool_search_output',
  'additional_tools',
  'compaction',
  'compaction_trigger',
  'image_generation_call',
  'code_interpreter_call',
  'local_shell_call',
  'local_shell_call_output',
  'shell_call',
  'shell_call_output',
  'apply_patch_call',
  'apply_patch_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
  'program',
  'program_output',
] as const;

const other = <T extends string>(type: T) => z.looseObject({ type: z.literal(type) });

const status = z.enum(['in_progress', 'completed', 'incomplete']).nullish();
const phase = z.enum(['commentary', 'final_answer']).nullish();
/** OpenAI's hint for its cache; prompts are cached here without it. */
const hint = { prompt_cache_breakpoint: z.unknown().optional() };

const logprobs = z.array(z.unknown()).nullish();
const inputText = z.strictObject({ type: z.literal('input_text'), text: z.string(), ...hint });
const outputText = z.strictObject({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.unknown()).nullish(),
  logprobs,
});
const refusal = z.strictObject({ type: z.literal('refusal'), refusal: z.string() });
const inputParts = z
  .array(
    z.discriminatedUnion('type', [
      inputText,
      other('input_image'),
      other('input_file'),
      other('input_audio'),
    ]),
  )
  .min(1);

const type = z.literal('message');
const messageItem = z.discriminatedUnion('role', [
  z.strictObject({
    type,
    id: id.nullish(),
    role: z.enum(['user', 'system', 'developer']),
    content: z.union([z.string(), inputParts]),
    status,
    phase,
  }),
  z.strictObject({
    type,
    id: id.nullish(),
    role: z.literal('assistant'),
    content: z.union([
      z.string(),
      z.array(z.discriminatedUnion('type', [outputText, refusal, inputText])).min(1),
    ]),
    status,
    phase,
  }),
]);

const direct = z.strictObject({ type: z.literal('direct') });
const caller = z.discriminatedUnion('type', [direct, other('program')]).nullish();

const callItem = z.strictObject({
  type: z.literal('function_call'),
  id: id.nullish(),
  call_id: z.string().min(1),
  name: z.string(),
  arguments: z.string(),
  status,
  caller,
  namespace: z.string().nullish(),
  // What the SDK's parsing helper adds to calls that it hands out.
  parsed_arguments: z.unknown().optional(),
});

const resultItem = z.strictObject({
  type: z.literal('function_call_output'),
  id: id.nullish(),
  call_id: z.string().min(1),
  output: z.union([z.string(), inputParts]),
  status,
  caller,
});

const reasoningItem = z.strictObject({
  type: z.literal('reasoning'),
  id: id.nullish(),
  summary: z.array(z.strictObject({ type: z.literal('summary_text'), text: z.string() })),
  content: z.array(z.strictObject({ type: z.literal('reasoning_text'), text: z.string() })).nullish(),
  encrypted_content: z.string().nullish(),
  status,
});

const referenceItem = z.strictObject({ type: z.literal('item_reference'), id });

/** Messages and references may leave their type out. */
function withType(item: unknown): unknown {
  if (typeof item !== 'object' || item === null) return item;
  const { type, ...rest } = item as Record<string, unknown>;
  if (type !== undefined && type !== null) return item;
  return { ...rest, type: 'role' in rest || !('id' in rest) ? 'message' : 'item_reference' };
}

export const inputItemSchema = z.preprocess(
  withType,
  z.discriminatedUnion('type', [
    messageItem,
    callItem,
    resultItem,
    reasoningItem,
    referenceItem,
    ...toolInputItems,
    z.looseObject({ type: z.enum(otherItems) }),
  ]),
);

const keptStatus = z.enum(['in_progress', 'completed', 'incomplete']);
const logprobSchema = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });

export const textPartSchema = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(fileCitationSchema),
  logprobs: z.array(logprobSchema.extend({ top_logprobs: z.array(logprobSchema) })),
});

export const refusalPartSchema = z.object({ type: z.literal('refusal'), refusal: z.string() });

export const outputMessageSchema = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  status: keptStatus,
  content: z.array(z.discriminatedUnion('type', [textPartSchema, refusalPartSchema])),
  phase: z.enum(['commentary', 'final_answer']).optional(),
});

export const inputMessageSchema = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.enum(['user', 'system', 'developer']),
  status: keptStatus,
  content: z.array(z.object({ type: z.literal('input_text'), text: z.string() })),
});

export const callSchema = z.object({
  id: z.string(),
  type: z.literal('function_call'),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
  status: keptStatus,
});

export const resultSchema = z.object({
  id: z.string(),
  type: z.literal('function_call_output'),
  call_id: z.string(),
  output: z.union([z.string(), z.array(z.object({ type: z.literal('input_text'), text: z.string() }))]),
  status: keptStatus,
});

export const reasoningPartSchema = z.object({ type: z.literal('reasoning_text'), text: z.string() });

export const reasoningSchema = z.object({
  id: z.string(),
  type: z.literal('reasoning'),
  summary: z.array(z.object({ type: z.literal('summary_text'), text: z.string() })),
  content: z.array(reasoningPartSchema).optional(),
  encrypted_content: z.string().optional(),
  status: keptStatus,
});

/** What a model answers, and what tools of the server do for it. */
export const outputItemSchema = z.union([
  outputMessageSchema,
  callSchema,
  reasoningSchema,
  ...toolItemSchemas,
]);
/** What was said by anyone. */
export const keptItemSchema = z.union([
  inputMessageSchema,
  outputMessageSchema,
  callSchema,
  resultSchema,
  reasoningSchema,
  ...toolItemSchemas,
  approvalResponseSchema,
]);

export type InputItem = z.infer<typeof inputItemSchema>;
export type KeptItem = z.infer<typeof keptItemSchema>;
export type OutputItem = z.infer<typeof outputItemSchema>;
export type OutputMessage = z.infer<typeof outputMessageSchema>;
export type TextPart = z.infer<typeof textPartSchema>;
