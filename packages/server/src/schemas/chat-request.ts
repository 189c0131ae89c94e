/** Body of `POST /v1/chat/completions`. Fields that only some answers support are accepted here and refused later. */

import { z } from 'zod';
import { metadataSchema } from './metadata.ts';
import { responseFormatSchema } from './response-format.ts';
import { harmlessFields, samplingFields } from './sampling.ts';
import { mcpChoice, mcpToolSchema } from './server-tools.ts';
import { toolNameSchema } from './tools.ts';
import { verbositySchema } from './verbosity.ts';

const MAX_TOP_LOGPROBS = 20;
/** As OpenAI has it. */
const MAX_FUNCTIONS = 128;

const textPart = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  prompt_cache_breakpoint: z.unknown().optional(),
});
/** Known kinds that this server refuses by name instead of calling them invalid. */
const otherPart = <T extends string>(type: T) => z.looseObject({ type: z.literal(type) });

const textContent = z.union([z.string(), z.array(z.discriminatedUnion('type', [textPart])).min(1)]);
const userContent = z.union([
  z.string(),
  z
    .array(
      z.discriminatedUnion('type', [
        textPart,
        otherPart('image_url'),
        otherPart('input_audio'),
        otherPart('file'),
      ]),
    )
    .min(1),
]);
const assistantContent = z.union([
  z.string(),
  z
    .array(
      z.discriminatedUnion('type', [
        textPart,
        z.strictObject({ type: z.literal('refusal'), refusal: z.string() }),
      ]),
    )
    .min(1),
]);

/** What the answer may turn out to be. */
const predictionSchema = z.strictObject({ type: z.literal('content'), content: textContent });

const name = z.string().nullish();

export const toolCallSchema = z.strictObject({
  id: z.string(),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
});

export const customCallSchema = z.strictObject({
  id: z.string(),
  type: z.literal('custom'),
  custom: z.strictObject({ name: z.string(), input: z.string() }),
});

/** The older form of a tool. */
const functionSchema = z.strictObject({
  name: toolNameSchema,
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
});

const toolSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('function'),
    function: z.strictObject({
      name: toolNameSchema,
      description: z.string().nullish(),
      /** JSON Schema; default an object without properties. */
      parameters: z.record(z.string(), z.unknown()).nullish(),
      strict: z.boolean().nullish(),
    }),
  }),
  /** Extension, in the form that responses have it: tools of a server that is configured here. */
  mcpToolSchema,
  z.strictObject({
    type: z.literal('custom'),
    custom: z.strictObject({
      name: toolNameSchema,
      description: z.string().nullish(),
      /** Default any text. */
      format: z
        .discriminatedUnion('type', [
          z.strictObject({ type: z.literal('text') }),
          z.strictObject({
            type: z.literal('grammar'),
            grammar: z.strictObject({ definition: z.string(), syntax: z.enum(['lark', 'regex']) }),
          }),
        ])
        .nullish(),
    }),
  }),
]);

const functionChoice = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({ name: z.string() }),
});

const customChoice = z.strictObject({
  type: z.literal('custom'),
  custom: z.strictObject({ name: z.string() }),
});

const messageSchema = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content: textContent, name }),
  z.strictObject({ role: z.literal('developer'), content: textContent, name }),
  z.strictObject({ role: z.literal('user'), content: userContent, name }),
  z.strictObject({
    role: z.literal('assistant'),
    content: assistantContent.nullish(),
    name,
    reasoning_content: z.string().nullish(),
    tool_calls: z.array(z.discriminatedUnion('type', [toolCallSchema, customCallSchema])).nullish(),
    function_call: z.strictObject({ name: z.string(), arguments: z.string() }).nullish(),
    // Parts of an earlier answer that SDKs send back as they got them.
    refusal: z.string().nullish(),
    audio: z.unknown().optional(),
    annotations: z.array(z.unknown()).nullish(),
  }),
  // LangChain names the tool as well.
  z.strictObject({ role: z.literal('tool'), content: textContent, tool_call_id: z.string(), name }),
  z.strictObject({ role: z.literal('function'), content: z.string().nullable(), name: z.string() }),
]);

export const chatRequestSchema = z.strictObject({
  model: z.string(),
  messages: z.array(messageSchema).min(1),
  ...samplingFields,
  ...harmlessFields,
  metadata: metadataSchema.nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  max_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
  store: z.boolean().nullish(),
  response_format: responseFormatSchema.nullish(),
  tools: z.array(toolSchema).nullish(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.discriminatedUnion('type', [
        functionChoice,
        customChoice,
        z.strictObject({
          type: z.literal('allowed_tools'),
          allowed_tools: z.strictObject({
            mode: z.enum(['auto', 'required']),
            tools: z.array(z.discriminatedUnion('type', [functionChoice, customChoice, mcpChoice])).min(1),
          }),
        }),
      ]),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: z.array(functionSchema).max(MAX_FUNCTIONS).nullish().describe("The older form of 'tools'."),
  function_call: z.union([z.enum(['none', 'auto']), z.strictObject({ name: z.string() })]).nullish(),
  modalities: z.array(z.enum(['text', 'audio'])).nullish(),
  audio: z.unknown().optional(),
  prediction: predictionSchema.nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  verbosity: verbositySchema.nullish(),
  web_search_options: z.unknown().optional(),
  moderation: z.unknown().optional(),
  /** Extension: variables for the chat template (`enable_thinking`, ...). */
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
});

export type ChatRequest = z.infer<typeof chatRequestSchema>;
export type CustomTool = Extract<NonNullable<ChatRequest['tools']>[number], { type: 'custom' }>['custom'];
export type ChatRequestMessage = ChatRequest['messages'][number];
