/** `response_format`: what the answer must look like, and the constraint that the engine holds it to. */

import { RequestError } from '@steelyard/core';
import { checkConstraint, type Constraint } from '@steelyard/engine';
import { z } from 'zod';
import { ApiError } from '../http/api-error.ts';

/** A schema to hold the answer to, as all endpoints take it. */
export const jsonSchemaFields = {
  name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'expected 1 to 64 letters, digits, _ or -'),
  description: z.string().nullish(),
  schema: z.record(z.string(), z.unknown()),
  /** The schema is held to in either case. */
  strict: z.boolean().nullish(),
};

/** Formats that have no name of their own, and are the same at all endpoints. */
export const plainFormats = [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('grammar'),
    grammar: z
      .string()
      .min(1)
      .describe(
        "Rules of the whole answer, 'name ::= ...', from 'root': the EBNF of llama.cpp and xgrammar.",
      ),
  }),
  /** Extension. */
  z.strictObject({
    type: z.literal('regex'),
    pattern: z.string().describe('An ECMAScript pattern that the whole answer matches, without look-around.'),
  }),
] as const;

export const responseFormatSchema = z.discriminatedUnion('type', [
  ...plainFormats,
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject(jsonSchemaFields),
  }),
]);

export type PlainFormat = z.infer<(typeof plainFormats)[number]>;
export type ResponseFormat = z.infer<typeof responseFormatSchema>;

/** @throws ApiError 400 naming the keyword of the schema that cannot be held to, by its path in the request */
export function toConstraint(format: ResponseFormat | null | undefined): Constraint | undefined {
  if (format?.type !== 'json_schema') return plainConstraint(format, 'response_format');
  return schemaConstraint(format.json_schema, 'response_format', 'response_format.json_schema.schema');
}

/**
 * @param at path of the format in the request
 * @throws ApiError 400 naming the grammar or the pattern that cannot be held to
 */
export function plainConstraint(format: PlainFormat | null | undefined, at: string): Constraint | undefined {
  switch (format?.type) {
    case 'json_object':
      return { type: 'json' };
    case 'grammar':
      return checked({ type: 'ebnf', grammar: format.grammar }, `${at}.grammar`);
    case 'regex':
      return checked({ type: 'regex', pattern: format.pattern }, `${at}.pattern`);
    default:
      return undefined;
  }
}

function checked(constraint: Constraint, param: string): Constraint {
  try {
    checkConstraint(constraint);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new ApiError(400, `Invalid '${param}': ${error.message}.`, {
      ...{ param, code: 'invalid_grammar', cause: error },
    });
  }
  return constraint;
}

/**
 * @param what the parameter, for messages
 * @param path of the schema in the request
 * @throws ApiError 400 naming the keyword that cannot be held to
 */
export function schemaConstraint(
  { name, schema }: { name: string; schema: Record<string, unknown> },
  what: string,
  path: string,
): Constraint {
  const constraint: Constraint = { type: 'json_schema', schema };
  try {
    checkConstraint(constraint);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const at = error.param === undefined || error.param === 'constraint' ? '' : error.param;
    throw new ApiError(400, `Invalid schema for ${what} '${name}': ${error.message}.`, {
      param: at === '' ? path : `${path}${at.startsWith('[') ? '' : '.'}${at}`,
      code: 'invalid_json_schema',
      cause: error,
    });
  }
  return constraint;
}
