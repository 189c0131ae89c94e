/** One line of a batch's input: what it must hold, and what is wrong with it in OpenAI's words. */

import { z } from 'zod';
import type { BatchError } from '../schemas/batches.ts';
import { ApiError } from '../http/api-error.ts';
import { checkDepth } from '../http/read-json.ts';
import { validate } from '../http/validate.ts';
import { MODERATIONS } from './model-of-line.ts';
import type { ReadLine } from './read-lines.ts';

const MAX_CUSTOM_ID = 512;

const lineSchemaOf = <Model extends z.ZodType>(model: Model) =>
  z.strictObject({
    custom_id: z.string().min(1).max(MAX_CUSTOM_ID),
    method: z.string(),
    url: z.string(),
    body: z.looseObject({ model }),
  });
const lineSchema = lineSchemaOf(z.string());
/** For requests that may leave the model out. */
const anyModelSchema = lineSchemaOf(z.string().nullish());

export type BatchLine = z.infer<typeof anyModelSchema>;
export type LineProblem = Omit<BatchError, 'line'>;

/** @returns what is wrong with the line, if something is */
export function parseLine(
  line: ReadLine,
  endpoint: string,
  limits: { readonly bodyBytes: number; readonly jsonDepth: number },
): BatchLine | LineProblem {
  if (line.problem === 'too_long')
    return problem('line_too_long', `This line exceeds ${limits.bodyBytes} bytes. Ask less in one request.`);
  if (line.problem) return problem('invalid_json_line', 'This line is not UTF-8.');
  let value: unknown;
  try {
    checkDepth(Buffer.from(line.text), limits.jsonDepth);
    value = JSON.parse(line.text);
  } catch (error) {
    const reason = (error as Error).message;
    return problem('invalid_json_line', `This line is not parseable as valid JSON: ${reason}`);
  }
  try {
    const schema = endpoint === MODERATIONS ? anyModelSchema : lineSchema;
    return checked(validate<BatchLine>(schema, value), endpoint);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return problem(error.code ?? 'invalid_request', error.message, error.param);
  }
}

export function isProblem(line: BatchLine | LineProblem): line is LineProblem {
  return 'code' in line;
}

function checked(line: BatchLine, endpoint: string): BatchLine | LineProblem {
  if (line.method !== 'POST') {
    return problem('invalid_method', `Invalid 'method': got '${line.method}', expected 'POST'.`, 'method');
  }
  if (line.url !== endpoint) {
    return problem(
      'mismatched_url',
      `Invalid 'url': got '${line.url}', but the endpoint of this batch is '${endpoint}'.`,
      'url',
    );
  }
  return line;
}

function problem(code: string, message: string, param: string | null = null): LineProblem {
  return { code, message, param };
}
