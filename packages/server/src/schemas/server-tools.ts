/** Tools that the server runs itself: as requests name them, and as responses show them. */

import { z } from 'zod';
import { attributeFilterSchema } from './attribute-filter.ts';
import { rankingSchema, searchFields } from './vector-search.ts';

/** Each is searched by itself. */
const MAX_STORES = 10;
const MAX_NAMES = 1_000;

export const serverLabelSchema = z
  .string()
  .regex(/^[A-Za-z][\w-]{0,63}$/, 'expected a letter, then up to 63 letters, digits, _ and -');

/** The ranker `none` is for searches by the endpoint alone. */
const toolRankingSchema = rankingSchema.extend({ ranker: z.enum(['auto', 'default-2024-11-15']).nullish() });

export const fileSearchToolSchema = z.strictObject({
  type: z.literal('file_search'),
  vector_store_ids: z.array(z.string().min(1)).min(1).max(MAX_STORES),
  ...searchFields,
  ranking_options: toolRankingSchema.nullish(),
});

/** Tools of a server by their names, and whether they change anything. */
const toolFilterSchema = z.strictObject({
  read_only: z.boolean().nullish(),
  tool_names: z.array(z.string()).max(MAX_NAMES).nullish(),
});
const allowedToolsSchema = z.union([z.array(z.string()).max(MAX_NAMES), toolFilterSchema]);
const approvalSchema = z.union([
  z.enum(['always', 'never']),
  z.strictObject({ always: toolFilterSchema.nullish(), never: toolFilterSchema.nullish() }),
]);

export const mcpToolSchema = z.strictObject({
  type: z.literal('mcp'),
  server_label: serverLabelSchema.describe('Label of an MCP server that is configured here.'),
  server_url: z.string().nullish().describe('Its address, which must be the configured one.'),
  server_description: z.string().nullish(),
  headers: z.record(z.string(), z.string()).nullish(),
  /** Sent as a bearer token. */
  authorization: z.string().min(1).nullish(),
  allowed_tools: allowedToolsSchema.nullish(),
  require_approval: approvalSchema.nullish().describe("Default 'always'."),
  allowed_callers: z.array(z.enum(['direct', 'programmatic'])).nullish(),
  defer_loading: z.boolean().nullish(),
  connector_id: z.string().nullish(),
  tunnel_id: z.string().nullish(),
});

export const fileSearchChoice = z.strictObject({ type: z.literal('file_search') });
export const mcpChoice = z.strictObject({
  type: z.literal('mcp'),
  server_label: z.string(),
  name: z.string().nullish(),
});

const shownFilter = z.object({
  read_only: z.boolean().optional(),
  tool_names: z.array(z.string()).optional(),
});

export const shownFileSearchSchema = z.object({
  type: z.literal('file_search'),
  vector_store_ids: z.array(z.string()),
  filters: attributeFilterSchema.nullable(),
  max_num_results: z.int(),
  ranking_options: z.object({
    ranker: z.enum(['auto', 'default-2024-11-15']),
    score_threshold: z.number(),
    hybrid_search: z.object({ embedding_weight: z.number(), text_weight: z.number() }).optional(),
  }),
});

/** Without headers and authorization, which are shown to nobody. */
export const shownMcpSchema = z.object({
  type: z.literal('mcp'),
  server_label: z.string(),
  server_url: z.string().optional(),
  server_description: z.string().optional(),
  allowed_tools: z.union([z.array(z.string()), shownFilter]).nullable(),
  headers: z.null(),
  require_approval: z.union([
    z.enum(['always', 'never']),
    z.object({ always: shownFilter.optional(), never: shownFilter.optional() }),
  ]),
});

export type FileSearchTool = z.infer<typeof fileSearchToolSchema>;
export type McpTool = z.infer<typeof mcpToolSchema>;
export type ToolFilter = z.infer<typeof toolFilterSchema>;

/** As OpenAI's tool has it. */
const DEFAULT_RESULTS = 20;

export function resultLimit({ max_num_results: limit }: FileSearchTool): number {
  return limit ?? DEFAULT_RESULTS;
}

export function showFileSearch(tool: FileSearchTool): z.infer<typeof shownFileSearchSchema> {
  const { ranker, score_threshold, hybrid_search } = tool.ranking_options ?? {};
  return {
    type: tool.type,
    vector_store_ids: tool.vector_store_ids,
    filters: tool.filters ?? null,
    max_num_results: resultLimit(tool),
    ranking_options: {
      ranker: ranker ?? 'auto',
      score_threshold: score_threshold ?? 0,
      ...(hybrid_search ? { hybrid_search } : {}),
    },
  };
}

export function showMcp(tool: McpTool): z.infer<typeof shownMcpSchema> {
  const { allowed_tools: allowed, require_approval: approval } = tool;
  return {
    type: tool.type,
    server_label: tool.server_label,
    ...(tool.server_url ? { server_url: tool.server_url } : {}),
    ...(tool.server_description ? { server_description: tool.server_description } : {}),
    allowed_tools: allowed && !Array.isArray(allowed) ? showFilter(allowed) : (allowed ?? null),
    headers: null,
    require_approval:
      typeof approval === 'object' && approval
        ? {
            ...(approval.always ? { always: showFilter(approval.always) } : {}),
            ...(approval.never ? { never: showFilter(approval.never) } : {}),
          }
        : (approval ?? 'always'),
  };
}

function showFilter({ read_only, tool_names }: ToolFilter): z.infer<typeof shownFilter> {
  return { ...(typeof read_only === 'boolean' ? { read_only } : {}), ...(tool_names ? { tool_names } : {}) };
}
