/** `response_format`: what the answer must look like, and the constraint that the engine holds it to. */

import { RequestError } from '@steelyard/core';
import { checkConstraint, type Constraint } from '@steelyard/engine';
import { z } from 'zod';
import { ApiError } from '../http/api-error.ts';

export const responseFormatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'expected 1 to 64 letters, digits, _ or -'),
      description: z.string().nullish(),
      schema: z.record(z.string(), z.unknown()),
      /** The schema is held to in either case. */
      strict: z.boolean().nullish(),
    }),
  }),
]);

export type ResponseFormat = z.infer<typeof responseFormatSchema>;

const SCHEMA = 'response_format.json_schema.schema';

/** @throws ApiError 400 naming the keyword of the schema that cannot be held to, by its path in the request */
export function toConstraint(format: ResponseFormat | null | undefined): Constraint | undefined {
  if (!format || format.type === 'text') return undefined;
  if (format.type === 'json_object') return { type: 'json' };
  const { name, schema } = format.json_schema;
  const constraint: Constraint = { type: 'json_schema', schema };
  try {
    checkConstraint(constraint);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const at = error.param === undefined || error.param === 'constraint' ? '' : error.param;
    throw new ApiError(400, `Invalid schema for response_format '${name}': ${error.message}.`, {
      param: at === '' ? SCHEMA : `${SCHEMA}${at.startsWith('[') ? '' : '.'}${at}`,
      code: 'invalid_json_schema',
      cause: error,
    });
  }
  return constraint;
}
