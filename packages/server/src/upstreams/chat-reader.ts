/** From what an upstream says in a chat completion, whole or in chunks, to the events that the engine would give. */

import type { GenerateEvent, TokenLogprob } from '@steelyard/engine';

type Json = Readonly<Record<string, unknown>>;
type Ended = Pick<Extract<GenerateEvent, { type: 'finish' }>, 'reason' | 'stop'>;

/** The call that grows. */
interface OpenCall {
  readonly index: number;
  readonly name: string;
  text: string;
}

export class ChatReader {
  #open: OpenCall | undefined;
  #reason: unknown;
  #stop: unknown;
  #reasoningTokens: number | undefined;

  /** What the end says, once it is there. */
  get end(): Ended & { readonly reasoningTokens?: number } {
    return {
      reason: this.#reason === 'length' ? 'length' : 'stop',
      // vLLM tells which string it was.
      ...(typeof this.#stop === 'string' && this.#reason === 'stop' ? { stop: this.#stop } : {}),
      ...(this.#reasoningTokens === undefined ? {} : { reasoningTokens: this.#reasoningTokens }),
    };
  }

  /** @param told a chunk, or the whole answer */
  *take(told: Json): Generator<GenerateEvent> {
    const details = objectIn(objectIn(told, 'usage'), 'completion_tokens_details');
    if (typeof details['reasoning_tokens'] === 'number') this.#reasoningTokens = details['reasoning_tokens'];
    const [choice] = listIn(told, 'choices');
    if (!choice) return;
    this.#reason = choice['finish_reason'] ?? this.#reason;
    this.#stop = choice['stop_reason'] ?? this.#stop;
    const said = 'delta' in choice ? objectIn(choice, 'delta') : objectIn(choice, 'message');
    const thoughts = said['reasoning_content'] ?? said['reasoning'];
    if (typeof thoughts === 'string' && thoughts !== '')
      yield { type: 'reasoning', text: thoughts, tokens: [] };
    const logprobs = listIn(objectIn(choice, 'logprobs'), 'content').map(toLogprob);
    // A refusal is what it says, in a field of its own.
    const text = [said['content'], said['refusal']].filter((one) => typeof one === 'string').join('');
    if (text !== '' || logprobs.length > 0)
      yield { type: 'text', text, tokens: [], ...(logprobs.length > 0 ? { logprobs } : {}) };
    for (const [i, piece] of listIn(said, 'tool_calls').entries()) yield* this.#call(piece, i);
  }

  /** Nothing more comes. */
  *close(): Generator<GenerateEvent> {
    const open = this.#open;
    this.#open = undefined;
    // One that was cut off came to nothing.
    if (open && isJson(open.text)) yield { type: 'toolCall', ...callOf(open) };
  }

  *#call(piece: Json, position: number): Generator<GenerateEvent> {
    const index = typeof piece['index'] === 'number' ? piece['index'] : position;
    const made = objectIn(piece, 'function');
    const more = typeof made['arguments'] === 'string' ? made['arguments'] : '';
    const { name } = made;
    const begins = typeof name === 'string' && name !== '' && this.#open?.index !== index;
    if (begins) {
      yield* this.close();
      this.#open = { index, name, text: '' };
    }
    if (this.#open?.index !== index) return;
    this.#open.text += more;
    if (begins || more !== '')
      yield { type: 'toolCallDelta', index, ...(begins ? { name } : {}), arguments: more };
  }
}

function callOf({ index, name, text }: OpenCall) {
  return { index, name, arguments: text === '' ? '{}' : text };
}

function isJson(text: string): boolean {
  if (text === '') return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Upstreams tell tokens by their text alone. */
function toLogprob(told: Json): TokenLogprob {
  return { ...tokenOf(told), top: listIn(told, 'top_logprobs').map(tokenOf) };
}

function tokenOf({ token, bytes, logprob }: Json): Omit<TokenLogprob, 'top'> {
  const text = typeof token === 'string' ? token : '';
  return {
    id: -1,
    text,
    bytes: Array.isArray(bytes) ? Uint8Array.from(bytes as number[]) : new TextEncoder().encode(text),
    logprob: typeof logprob === 'number' ? logprob : 0,
  };
}

function objectIn(from: Json, name: string): Json {
  const value = from[name];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function listIn(from: Json, name: string): readonly Json[] {
  const value = from[name];
  return Array.isArray(value)
    ? value.filter((one): one is Json => typeof one === 'object' && one !== null)
    : [];
}
