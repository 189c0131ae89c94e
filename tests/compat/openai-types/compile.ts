/** Recorded answers as TypeScript, each held to a type of the `openai` package, and what the compiler says of them. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export interface Recording {
  /** What was asked. */
  readonly name: string;
  /** In terms of `PRELUDE`. */
  readonly type: string;
  readonly value: unknown;
}

/**
 * Names for what the SDK has none for: whole pages, and errors as they come. Where its types are known to be short of what
 * OpenAI's API answers, and its reference shows, they are widened here, one by one.
 */
const PRELUDE = `
import type OpenAI from 'openai';
import type * as Usage from 'openai/resources/admin/organization/usage';
import type * as Audit from 'openai/resources/admin/organization/audit-logs';
import type * as AdminKeys from 'openai/resources/admin/organization/admin-api-keys';
import type * as Projects from 'openai/resources/admin/organization/projects/projects';
import type * as ProjectKeys from 'openai/resources/admin/organization/projects/api-keys';
type Failure = { error: OpenAI.ErrorObject };
type Page<Entry> = {
  object: 'list'; data: Entry[]; has_more: boolean; first_id: string | null; last_id: string | null;
};
type All<Entry> = { object: 'list'; data: Entry[] };
// The SDK adds the text itself, and types two fields in requests only that come back in answers.
type ReceivedResponse = Omit<OpenAI.Responses.Response, 'output_text'> &
  { store: boolean; max_tool_calls: number | null };
type Received<Event> = Event extends { response: OpenAI.Responses.Response }
  ? Omit<Event, 'response'> & { response: ReceivedResponse }
  : Event;
type ResponseEvent = Received<OpenAI.Responses.ResponseStreamEvent>;
// A stored completion is answered with what was asked.
type StoredChat = OpenAI.ChatCompletion & Required<Pick<OpenAI.ChatCompletionCreateParams,
  'metadata' | 'temperature' | 'top_p' | 'presence_penalty' | 'frequency_penalty' | 'seed'>> & {
  tools: OpenAI.ChatCompletionTool[] | null; tool_choice: OpenAI.ChatCompletionToolChoiceOption | null;
  response_format: OpenAI.ChatCompletionCreateParams['response_format'] | null;
  input_user: string | null; request_id: string;
};
// Its messages are those of the request, of any role.
type StoredMessage = Omit<OpenAI.Chat.Completions.ChatCompletionStoreMessage, 'role'> & {
  role: OpenAI.ChatCompletionRole; name: string | null;
};
// In a stream, what comes with the last event is null before.
type CompletionEvent = Omit<OpenAI.Completion, 'choices' | 'usage'> & {
  choices: (Omit<OpenAI.CompletionChoice, 'finish_reason'> & {
    finish_reason: OpenAI.CompletionChoice['finish_reason'] | null;
  })[];
  usage?: OpenAI.CompletionUsage | null;
};
`;

/** Fields that OpenAI has not, which its SDKs leave alone; documented at \`/docs\`. */
const EXTENSIONS = ['steelyard', 'timings', 'reasoning_content'];

// Below the workspace, so that the package is found.
const BUILD = join(import.meta.dirname, '..', '..', '..', 'build');

/** @returns what does not fit, by the recording's name */
export function misfits(recordings: readonly Recording[]): Map<string, string> {
  mkdirSync(BUILD, { recursive: true });
  const folder = mkdtempSync(join(BUILD, 'openai-types-'));
  try {
    const path = join(folder, 'recorded.ts');
    const starts: number[] = [];
    let text = PRELUDE;
    recordings.forEach(({ type, value }, i) => {
      starts.push(text.length);
      text += `export const recorded${i} = ${JSON.stringify(withoutExtensions(value), null, 2)} satisfies ${type};\n`;
    });
    writeFileSync(path, text);
    const program = ts.createProgram([path], {
      strict: true,
      exactOptionalPropertyTypes: false,
      noEmit: true,
      skipLibCheck: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      types: [],
    });
    const found = new Map<string, string>();
    for (const { start = 0, file, messageText } of ts.getPreEmitDiagnostics(program)) {
      const message = ts.flattenDiagnosticMessageText(messageText, '\n');
      const at = file?.fileName === path ? starts.findLastIndex((from) => from <= start) : -1;
      const name = recordings[at]?.name ?? 'the recording itself';
      const near = file?.text.slice(start, start + 80) ?? '';
      found.set(name, `${found.get(name) ?? ''}${message}\n  at ${near}\n`);
    }
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function withoutExtensions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutExtensions);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !EXTENSIONS.includes(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutExtensions(inner)]));
}
