/** Fields of a chat request that this server knows and cannot honour. Refused by name, because ignoring them would lie. */

import { unsupported } from './http/api-error.ts';
import type { ChatRequest } from './schemas/chat-request.ts';

interface Rule {
  readonly param: keyof ChatRequest;
  readonly what: string;
  readonly instead: string;
  /** Whether the value asks for the thing; null and absent never do. */
  readonly asks: (body: ChatRequest) => boolean;
}

const given = (value: unknown): boolean => value !== undefined && value !== null;

const rules: readonly Rule[] = [
  {
    param: 'modalities',
    what: 'Audio output',
    instead: 'Send ["text"] or remove it.',
    asks: (body) => body.modalities?.includes('audio') ?? false,
  },
  { param: 'audio', what: 'Audio output', instead: 'Remove it.', asks: (body) => given(body.audio) },
  {
    param: 'web_search_options',
    what: 'Web search',
    instead: 'Remove it.',
    asks: (body) => given(body.web_search_options),
  },
  { param: 'moderation', what: 'Moderation', instead: 'Remove it.', asks: (body) => given(body.moderation) },
];

/** @throws ApiError 400 for the first field that asks for something unsupported */
export function refuseUnsupportedChat(body: ChatRequest): void {
  const rule = rules.find((one) => one.asks(body));
  if (rule) throw unsupported(rule.param, rule.what, rule.instead);
}
