/** Answers of chat completions as they are sent: calls are of functions, or of custom tools. */

import { z } from 'zod';
import { customCallSchema, toolCallSchema } from './chat-request.ts';
import { chatChunkSchema, chatResponseSchema, toolCallPieceSchema } from './chat-response.ts';

const choice = chatResponseSchema.shape.choices.element;
const message = choice.shape.message.extend({
  tool_calls: z.array(z.discriminatedUnion('type', [toolCallSchema, customCallSchema])).optional(),
});

export const wireResponseSchema = chatResponseSchema.extend({ choices: z.array(choice.extend({ message })) });

const chunkChoice = chatChunkSchema.shape.choices.element;
/** Calls of custom tools come in one piece. */
const customPiece = customCallSchema.extend({ index: z.int() });
const delta = chunkChoice.shape.delta.extend({
  tool_calls: z.array(z.union([customPiece, toolCallPieceSchema])).optional(),
});

export const wireChunkSchema = chatChunkSchema.extend({ choices: z.array(chunkChoice.extend({ delta })) });

export type WireResponse = z.infer<typeof wireResponseSchema>;
export type WireChunk = z.infer<typeof wireChunkSchema>;
