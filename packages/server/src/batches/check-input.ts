/** Checks a batch's input line by line before anything of it is computed. */

import { ApiError } from '../http/api-error.ts';
import type { BatchError } from '../schemas/batches.ts';
import { isProblem, parseLine } from './batch-line.ts';
import type { ModelOfLine } from './model-of-line.ts';
import { readLines } from './read-lines.ts';

/** Requests of one batch, as OpenAI has it. */
const MAX_LINES = 50_000;
/** Problems told of one batch. */
const MAX_ERRORS = 100;

export interface InputRules {
  readonly endpoint: string;
  readonly limits: { readonly bodyBytes: number; readonly jsonDepth: number };
  readonly modelOf: ModelOfLine;
}

export type InputVerdict =
  | { readonly model: string; readonly total: number; readonly errors?: undefined }
  | { readonly errors: readonly BatchError[] };

export async function checkInput(
  content: AsyncIterable<Uint8Array>,
  { endpoint, limits, modelOf }: InputRules,
): Promise<InputVerdict> {
  const errors: BatchError[] = [];
  const ids = new Set<string>();
  let model: string | undefined;
  let total = 0;
  for await (const read of readLines(content, limits.bodyBytes)) {
    const add = (code: string, message: string, param: string | null): void => {
      errors.push({ code, line: read.number, message, param });
    };
    if (errors.length >= MAX_ERRORS) break;
    if (++total > MAX_LINES) {
      add('too_many_requests', `This batch has more than ${MAX_LINES} requests. Split it.`, null);
      break;
    }
    const line = parseLine(read, endpoint, limits);
    if (isProblem(line)) {
      add(line.code, line.message, line.param);
      continue;
    }
    const { custom_id: id } = line;
    if (ids.has(id))
      add('duplicate_custom_id', `Another line has the custom_id '${id}' too. Make it unique.`, 'custom_id');
    ids.add(id);
    try {
      const asked = modelOf(line.body.model);
      model ??= asked;
      if (asked === model) continue;
      const message = `This line asks for '${asked}', the first for '${model}'. A batch has one model.`;
      add('mismatched_model', message, 'body.model');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      add(error.code ?? 'invalid_request', error.message, 'body.model');
    }
  }
  if (errors.length > 0) return { errors };
  if (model !== undefined) return { model, total };
  const message = 'The input file is empty. Send at least one request, one per line.';
  return { errors: [{ code: 'empty_file', line: null, message, param: null }] };
}
