/** Body of `POST /v1/responses`. Known fields that this server cannot honour are accepted here and refused later. */

import { z } from 'zod';
import { includableSchema } from './include.ts';
import { metadataSchema } from './metadata.ts';
import { inputItemSchema } from './response-items.ts';
import { jsonSchemaFields, plainFormats } from './response-format.ts';
import { harmlessFields, obfuscationSchema, samplingFields } from './sampling.ts';
import { fileSearchChoice, fileSearchToolSchema, mcpChoice, mcpToolSchema } from './server-tools.ts';
import { toolNameSchema } from './tools.ts';
import { verbositySchema } from './verbosity.ts';

const MAX_TOP_LOGPROBS = 20;

const functionTool = z.strictObject({
  type: z.literal('function'),
  name: toolNameSchema,
  description: z.string().nullish(),
  /** JSON Schema; default an object without properties. */
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
  defer_loading: z.boolean().nullish(),
  allowed_callers: z.array(z.enum(['direct', 'programmatic'])).nullish(),
  output_schema: z.record(z.string(), z.unknown()).nullish(),
});

const otherTools = [
  'web_search',
  'web_search_2025_08_26',
  'web_search_preview',
  'web_search_preview_2025_03_11',
  'computer',
  'computer_use_preview',
  'code_interpreter',
  'programmatic_tool_calling',
  'image_generation',
  'local_shell',
  'shell',
  'custom',
  'namespace',
  'tool_search',
  'apply_patch',
] as const;

const otherChoices = [
  'web_search_preview',
  'web_search_preview_2025_03_11',
  'computer',
  'computer_use',
  'computer_use_preview',
  'image_generation',
  'code_interpreter',
  'custom',
  'programmatic_tool_calling',
  'apply_patch',
  'shell',
] as const;

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('function'), name: z.string() }),
    z.strictObject({
      type: z.literal('allowed_tools'),
      mode: z.enum(['auto', 'required']),
      tools: z
        .array(
          z.discriminatedUnion('type', [
            z.strictObject({ type: z.literal('function'), name: z.string() }),
            fileSearchChoice,
            mcpChoice,
            z.looseObject({ type: z.enum(otherTools) }),
          ]),
        )
        .min(1),
    }),
    fileSearchChoice,
    mcpChoice,
    z.looseObject({ type: z.enum(otherChoices) }),
  ]),
]);

const textFormatSchema = z.discriminatedUnion('type', [
  ...plainFormats,
  z.strictObject({ type: z.literal('json_schema'), ...jsonSchemaFields }),
]);

export const responseRequestSchema = z.strictObject({
  model: z.string(),
  input: z.union([z.string(), z.array(inputItemSchema)]).nullish(),
  instructions: z.string().nullish(),
  tools: z
    .array(
      z.discriminatedUnion('type', [
        functionTool,
        fileSearchToolSchema,
        mcpToolSchema,
        z.looseObject({ type: z.enum(otherTools) }),
      ]),
    )
    .nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  max_tool_calls: z.int().min(1).nullish(),
  text: z
    .strictObject({
      format: textFormatSchema.nullish(),
      verbosity: verbositySchema.nullish(),
    })
    .nullish(),
  reasoning: z
    .strictObject({
      effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
      generate_summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
      context: z.enum(['auto', 'current_turn', 'all_turns']).nullish(),
      mode: z.string().nullish(),
    })
    .nullish(),
  temperature: samplingFields.temperature,
  top_p: samplingFields.top_p,
  top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  include: z.array(includableSchema).nullish(),
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_obfuscation: obfuscationSchema.nullish() }).nullish(),
  previous_response_id: z.string().nullish(),
  conversation: z.union([z.string(), z.strictObject({ id: z.string() })]).nullish(),
  ...harmlessFields,
  metadata: metadataSchema.nullish(),
  context_management: z.array(z.unknown()).nullish(),
  moderation: z.unknown().optional(),
  prompt: z.unknown().optional(),
  // Extensions of open-weight servers, as in chat completions.
  seed: samplingFields.seed,
  top_k: samplingFields.top_k,
  min_p: samplingFields.min_p,
  repetition_penalty: samplingFields.repetition_penalty,
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
});

export type ResponseRequest = z.infer<typeof responseRequestSchema>;
export type FunctionTool = z.infer<typeof functionTool>;
export type TextFormat = z.infer<typeof textFormatSchema>;
