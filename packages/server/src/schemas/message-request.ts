/** Body of `POST /v1/messages`, Anthropic's. Known fields that this server cannot honour are accepted here and refused later. */

import { z } from 'zod';
import { steelyardRequestSchema } from '../receipts/receipt.ts';
import { toolNameSchema } from './tools.ts';

const MAX_STOPS = 64;

/** Of prompt caching, which is done here without being asked. */
const cached = { cache_control: z.looseObject({ type: z.literal('ephemeral') }).nullish() };

/** Known kinds that this server refuses by name instead of calling them invalid. */
const other = <T extends string>(type: T) => z.looseObject({ type: z.literal(type) });

const textBlock = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  citations: z.array(z.unknown()).nullish(),
  ...cached,
});

const documentBlock = z.strictObject({
  type: z.literal('document'),
  source: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text'), media_type: z.literal('text/plain'), data: z.string() }),
    other('base64'),
    other('url'),
    other('file'),
    other('content'),
  ]),
  title: z.string().nullish(),
  context: z.string().nullish(),
  citations: z.looseObject({ enabled: z.boolean().nullish() }).nullish(),
  ...cached,
});

const toolResultBlock = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string().min(1),
  content: z
    .union([
      z.string(),
      z.array(
        z.discriminatedUnion('type', [
          textBlock,
          documentBlock,
          other('image'),
          other('search_result'),
          other('tool_reference'),
        ]),
      ),
    ])
    .nullish(),
  is_error: z.boolean().nullish(),
  toolset_name: z.string().nullish(),
  ...cached,
});

const toolUseBlock = z.strictObject({
  type: z.literal('tool_use'),
  id: z.string().min(1),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
  caller: z.looseObject({ type: z.string() }).nullish(),
  toolset_name: z.string().nullish(),
  ...cached,
});

const thinkingBlock = z.strictObject({
  type: z.literal('thinking'),
  thinking: z.string(),
  /** Thoughts of open models are plain to see, so there is nothing to check. */
  signature: z.string(),
});

const redactedBlock = z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() });

/** Of tools that a server runs. */
const serverBlocks = [
  'server_tool_use',
  'web_search_tool_result',
  'web_fetch_tool_result',
  'code_execution_tool_result',
  'bash_code_execution_tool_result',
  'text_editor_code_execution_tool_result',
  'tool_search_tool_result',
  'container_upload',
  'mcp_tool_use',
  'mcp_tool_result',
] as const;

const userBlocks = z.discriminatedUnion('type', [
  textBlock,
  documentBlock,
  toolResultBlock,
  other('image'),
  other('search_result'),
  z.looseObject({ type: z.enum(serverBlocks) }),
]);

const assistantBlocks = z.discriminatedUnion('type', [
  textBlock,
  thinkingBlock,
  redactedBlock,
  toolUseBlock,
  z.looseObject({ type: z.enum(serverBlocks) }),
]);

const textOnly = z.union([z.string(), z.array(textBlock)]);

const messageSchema = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('user'), content: z.union([z.string(), z.array(userBlocks).min(1)]) }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z.union([z.string(), z.array(assistantBlocks)]),
  }),
  z.strictObject({ role: z.literal('system'), content: textOnly }),
]);

const customTool = z.strictObject({
  type: z.literal('custom').nullish(),
  name: toolNameSchema,
  description: z.string().nullish(),
  input_schema: z.looseObject({ type: z.literal('object') }),
  strict: z.boolean().nullish(),
  allowed_callers: z.array(z.string()).nullish(),
  defer_loading: z.boolean().nullish(),
  eager_input_streaming: z.boolean().nullish(),
  input_examples: z.array(z.unknown()).nullish(),
  ...cached,
});

/** Tools of Anthropic's own, by a type with a date in it. */
const ownTool = z.looseObject({ type: z.string().regex(/_\d{8}$/), name: z.string().nullish() });

const parallel = { disable_parallel_tool_use: z.boolean().nullish() };

const toolChoice = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('auto'), ...parallel }),
  z.strictObject({ type: z.literal('any'), ...parallel }),
  z.strictObject({ type: z.literal('tool'), name: z.string(), ...parallel }),
  z.strictObject({ type: z.literal('none') }),
]);

const display = { display: z.enum(['summarized', 'omitted']).nullish() };

const thinking = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('enabled'), budget_tokens: z.int().min(1024), ...display }),
  z.strictObject({ type: z.literal('adaptive'), ...display }),
  z.strictObject({ type: z.literal('disabled') }),
]);

/** What makes a prompt, of a message and of a count. */
const promptFields = {
  model: z.string().min(1),
  messages: z.array(messageSchema).min(1),
  system: textOnly.nullish(),
  tools: z.array(z.union([customTool, ownTool])).nullish(),
  tool_choice: toolChoice.nullish(),
  thinking: thinking.nullish(),
  output_config: z
    .strictObject({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      format: z
        .strictObject({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) })
        .nullish(),
    })
    .nullish(),
  ...cached,
  context_management: z
    .looseObject({ edits: z.array(z.looseObject({ type: z.string() })).nullish() })
    .nullish(),
  mcp_servers: z.array(z.unknown()).nullish(),
};

export const countTokensRequestSchema = z.strictObject({
  ...promptFields,
  speed: z.enum(['standard', 'fast']).nullish(),
});

export const messageRequestSchema = z.strictObject({
  ...promptFields,
  max_tokens: z.int().min(1),
  stream: z.boolean().nullish(),
  stop_sequences: z.array(z.string().min(1)).max(MAX_STOPS).nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  metadata: z.looseObject({ user_id: z.string().nullish() }).nullish(),
  service_tier: z.enum(['auto', 'standard_only']).nullish(),
  inference_geo: z.string().nullish(),
  speed: z.enum(['standard', 'fast']).nullish(),
  // Extensions.
  seed: z.int().nullish().describe('The same seed and request give the same answer.'),
  steelyard: steelyardRequestSchema,
  diagnostics: z.unknown().optional(),
  container: z.unknown().optional(),
});

export type CountTokensRequest = z.infer<typeof countTokensRequestSchema>;
export type MessageRequest = z.infer<typeof messageRequestSchema>;
/** What both kinds of request say of the prompt. */
export type MessagePrompt = Omit<CountTokensRequest, 'speed'>;
export type MessageParam = MessagePrompt['messages'][number];
export type CustomTool = z.infer<typeof customTool>;
