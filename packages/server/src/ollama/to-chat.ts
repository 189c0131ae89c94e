/** Ollama's messages as the templates take them. Their calls have no ids: results belong to calls by their order. */

import type { ChatMessage } from '@steelyard/text';
import { unsupported } from '../http/api-error.ts';
import type { OllamaChat, OllamaGenerate } from '../schemas/ollama-request.ts';
import { refuseImages } from './ask.ts';

type Message = NonNullable<OllamaChat['messages']>[number];

export interface OllamaTalk {
  readonly messages: readonly ChatMessage[];
  /** Of a last message of the assistant, which is gone on from. */
  readonly answerPrefix?: string;
}

/** @throws ApiError 400 for images */
export function talkOf(given: readonly Message[]): OllamaTalk {
  const last = given.at(-1);
  const begun = last?.role === 'assistant' && !last.tool_calls?.length ? (last.content ?? '') : '';
  const spoken = begun === '' ? given : given.slice(0, -1);
  const open: { id: string; name: string }[] = [];
  let calls = 0;
  const messages = spoken.map((message, i): ChatMessage => {
    refuseImages(message.images, `messages[${i}].images`);
    const { role, content, thinking } = message;
    if (role === 'tool') return { role, content: content ?? '', tool_call_id: answered(open, message) };
    const made = (message.tool_calls ?? []).map((call) => {
      const id = call.id ?? `call_${calls++}`;
      const { name, arguments: args } = call.function;
      open.push({ id, name });
      return { id, type: 'function', function: { name, arguments: JSON.stringify(args ?? {}) } };
    });
    return {
      role,
      content: !content && made.length > 0 ? null : (content ?? ''),
      ...(thinking ? { reasoning_content: thinking } : {}),
      ...(made.length > 0 ? { tool_calls: made } : {}),
    };
  });
  return { messages, ...(begun === '' ? {} : { answerPrefix: begun }) };
}

/** The call that a result answers: by its id, by the first of its name, or the first. */
function answered(
  open: { id: string; name: string }[],
  { tool_call_id: id, tool_name: name }: Message,
): string {
  const at = open.findIndex((call) => (id ? call.id === id : !name || call.name === name));
  const [call] = open.splice(Math.max(at, 0), 1);
  return id ?? call?.id ?? 'call_0';
}

/** @throws ApiError 400 for what a text model, or this server, cannot do */
export function talkOfPrompt(body: OllamaGenerate): OllamaTalk {
  refuseImages(body.images, 'images');
  if (body.suffix) throw unsupported('suffix', 'Filling in before a suffix', 'Use POST /v1/completions.');
  if (body.template)
    throw unsupported('template', 'A template of the request', "Send 'raw' and the whole prompt.");
  if ((body.context?.length ?? 0) > 0)
    throw unsupported(
      'context',
      'A context of an earlier answer',
      'Use POST /api/chat and send the messages.',
    );
  const system = body.system ? [{ role: 'system', content: body.system }] : [];
  return { messages: [...system, { role: 'user', content: body.prompt ?? '' }] };
}
