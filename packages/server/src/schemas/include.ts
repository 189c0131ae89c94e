/** `include`: what is shown of a response's items beside what always is, in a body or a query. */

import { z } from 'zod';
import { unsupported } from '../http/api-error.ts';
import { listed, queryList } from './query-parts.ts';

export const includableSchema = z.enum([
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'message.input_image.image_url',
  'computer_call_output.output.image_url',
  'code_interpreter_call.outputs',
  'reasoning.encrypted_content',
  'message.output_text.logprobs',
]);

export type Includable = z.infer<typeof includableSchema>;

/** Those of what this server answers; all others belong to tools that it has not. */
const ANSWERED: readonly Includable[] = [
  'reasoning.encrypted_content',
  'message.output_text.logprobs',
  'file_search_call.results',
];

/** For queries about what is kept: it was kept as its request asked for it, so that nothing can be added now. */
export const includeQuery = queryList(
  'include',
  includableSchema.describe(
    'What is kept is shown whether named or not: it is there if its request included it.',
  ),
);

/** @throws ApiError 400 naming the entry that nothing here answers */
export function refuseIncludes(include: readonly Includable[] | null | undefined): void {
  include?.forEach((field, i) => {
    if (ANSWERED.includes(field)) return;
    throw unsupported(
      `include[${i}]`,
      `Including '${field}'`,
      'Remove it: no tool here answers such a thing.',
    );
  });
}

export type IncludeQuery = z.infer<z.ZodObject<typeof includeQuery>>;

/** @throws ApiError 400 as `refuseIncludes` */
export function checkIncludeQuery(query: IncludeQuery): void {
  refuseIncludes(listed(query.include, query['include[]']));
}
