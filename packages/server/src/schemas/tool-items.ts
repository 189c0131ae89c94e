/** Items that tools of the server leave in a response: as they come back in a request, and as they are kept. */

import { z } from 'zod';
import { attributesSchema } from './attribute-filter.ts';

export const itemIdSchema = z.string().regex(/^[\w-]{1,128}$/, 'expected up to 128 letters, digits, _ and -');

const callStatus = z.enum(['in_progress', 'calling', 'completed', 'incomplete', 'failed']);
const searchStatus = z.enum(['in_progress', 'searching', 'completed', 'incomplete', 'failed']);

const searchResult = z.object({
  file_id: z.string(),
  filename: z.string(),
  score: z.number(),
  attributes: attributesSchema,
  text: z.string(),
});

export const fileSearchCallSchema = z.object({
  id: z.string(),
  type: z.literal('file_search_call'),
  status: searchStatus,
  queries: z.array(z.string()),
  /** What the model was shown; null unless it was to be included. */
  results: z.array(searchResult).nullable(),
});

const listedTool = z.object({
  name: z.string(),
  description: z.string().nullable(),
  input_schema: z.record(z.string(), z.unknown()),
  annotations: z.record(z.string(), z.unknown()).nullable(),
});

export const mcpListSchema = z.object({
  id: z.string(),
  type: z.literal('mcp_list_tools'),
  server_label: z.string(),
  tools: z.array(listedTool),
  /** Why the server gave no list. */
  error: z.string().nullable(),
});

export const mcpCallSchema = z.object({
  id: z.string(),
  type: z.literal('mcp_call'),
  status: callStatus,
  server_label: z.string(),
  name: z.string(),
  arguments: z.string(),
  output: z.string().nullable(),
  error: z.string().nullable(),
  approval_request_id: z.string().nullable(),
});

export const approvalRequestSchema = z.object({
  id: z.string(),
  type: z.literal('mcp_approval_request'),
  server_label: z.string(),
  name: z.string(),
  arguments: z.string(),
});

export const approvalResponseSchema = z.object({
  id: z.string(),
  type: z.literal('mcp_approval_response'),
  approval_request_id: z.string(),
  approve: z.boolean(),
  reason: z.string().nullable(),
});

/** As clients that keep their own history give them back. */
export const toolInputItems = [
  z.strictObject({
    type: z.literal('file_search_call'),
    id: itemIdSchema,
    status: searchStatus,
    queries: z.array(z.string()),
    results: z
      .array(
        z.strictObject({
          file_id: z.string().nullish(),
          filename: z.string().nullish(),
          score: z.number().nullish(),
          attributes: attributesSchema.nullish(),
          text: z.string().nullish(),
        }),
      )
      .nullish(),
  }),
  z.strictObject({
    type: z.literal('mcp_list_tools'),
    id: itemIdSchema,
    server_label: z.string(),
    tools: z.array(
      z.strictObject({
        name: z.string(),
        description: z.string().nullish(),
        input_schema: z.record(z.string(), z.unknown()),
        annotations: z.record(z.string(), z.unknown()).nullish(),
      }),
    ),
    error: z.string().nullish(),
  }),
  z.strictObject({
    type: z.literal('mcp_call'),
    id: itemIdSchema,
    status: callStatus.nullish(),
    server_label: z.string(),
    name: z.string(),
    arguments: z.string(),
    output: z.string().nullish(),
    error: z.string().nullish(),
    approval_request_id: z.string().nullish(),
  }),
  z.strictObject({
    type: z.literal('mcp_approval_request'),
    id: itemIdSchema,
    server_label: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
  z.strictObject({
    type: z.literal('mcp_approval_response'),
    id: itemIdSchema.nullish(),
    approval_request_id: z.string(),
    approve: z.boolean(),
    reason: z.string().nullish(),
  }),
] as const;

/** What tools of the server answer. */
export const toolItemSchemas = [
  fileSearchCallSchema,
  mcpListSchema,
  mcpCallSchema,
  approvalRequestSchema,
] as const;

/** A place in an answer's text that rests on a file. */
export const fileCitationSchema = z.object({
  type: z.literal('file_citation'),
  /** Characters of the text that stand before it. */
  index: z.int(),
  file_id: z.string(),
  filename: z.string(),
});

export type FileSearchCall = z.infer<typeof fileSearchCallSchema>;
export type SearchResult = z.infer<typeof searchResult>;
export type McpList = z.infer<typeof mcpListSchema>;
export type McpCall = z.infer<typeof mcpCallSchema>;
export type ApprovalRequest = z.infer<typeof approvalRequestSchema>;
export type ApprovalResponse = z.infer<typeof approvalResponseSchema>;
export type ToolItem = FileSearchCall | McpList | McpCall | ApprovalRequest;
export type ToolInputItem = z.infer<(typeof toolInputItems)[number]>;
export type FileCitation = z.infer<typeof fileCitationSchema>;
