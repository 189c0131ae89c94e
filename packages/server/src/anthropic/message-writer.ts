/**
 * From what a model says to the events of a streamed message in Anthropic's shape. A whole message is the same blocks put
 * together. A call's input comes while it is written, where the engine tells it so.
 */

import { randomUUID } from 'node:crypto';
import type { GenerateEvent } from '@steelyard/engine';
import type { ChoiceEvent } from '../generation.ts';
import { withReceipts } from '../receipts/give-receipt.ts';
import type { Seal } from '../responses/sealed-reasoning.ts';
import { mayCall } from '../chat-options.ts';
import {
  toMessageUsage,
  type MessageBlock,
  type MessageEvent,
  type MessageObject,
} from '../schemas/message-object.ts';
import type { FinishEvent } from '../schemas/usage.ts';

export interface WriterOptions {
  /** Name of the model. */
  readonly model: string;
  readonly parallel: boolean;
  readonly hidesThoughts: boolean;
  readonly seal: Seal['seal'];
  /** Asked for; an answer cut before this ran out of context. */
  readonly maxTokens: number;
  /** Tokens of the prompt, as far as they are known before it runs. */
  readonly inputTokens: number;
}

type ToolBlock = Extract<MessageBlock, { type: 'tool_use' }>;

/** The call that grows. */
interface OpenCall {
  /** The engine's number. */
  readonly index: number;
  readonly block: ToolBlock;
  text: string;
}

export class MessageWriter {
  readonly #options: WriterOptions;
  readonly #content: MessageBlock[] = [];
  #events: MessageEvent[] = [];
  #message: MessageObject;
  #open: 'text' | 'thinking' | undefined;
  #text = '';
  #calls = 0;
  #openCall: OpenCall | undefined;
  /** The engine's numbers of calls that were begun. */
  readonly #begun = new Set<number>();

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#message = emptyMessage(options);
  }

  /** The whole, once the finish has been written. */
  get message(): MessageObject {
    return this.#message;
  }

  /** Events since the last call. */
  take(): MessageEvent[] {
    return this.#events.splice(0);
  }

  begin(): void {
    this.#events.push({ type: 'message_start', message: this.#message }, { type: 'ping' });
  }

  /** @param receipts come with the end */
  write({ event, receipts }: Pick<ChoiceEvent, 'event' | 'receipts'>): void {
    if (event.type === 'reasoning') this.#say('thinking', event.text);
    if (event.type === 'text') this.#say('text', event.text);
    if (event.type === 'toolCallDelta') this.#callDelta(event);
    if (event.type === 'toolCall') this.#call(event);
    if (event.type === 'finish') this.#finish(event, receipts);
  }

  get #index(): number {
    return this.#content.length;
  }

  #say(type: 'text' | 'thinking', text: string): void {
    if (text === '') return;
    if (this.#open !== type) {
      this.#close();
      this.#open = type;
      const content_block =
        type === 'text' ? { type, text: '', citations: null } : { type, thinking: '', signature: '' };
      this.#events.push({ type: 'content_block_start', index: this.#index, content_block });
    }
    this.#text += text;
    if (type === 'text') this.#delta({ type: 'text_delta', text });
    else if (!this.#options.hidesThoughts) this.#delta({ type: 'thinking_delta', thinking: text });
  }

  #close(): void {
    this.#endCall();
    const text = this.#text;
    if (this.#open === 'text') this.#done({ type: 'text', text, citations: null });
    if (this.#open === 'thinking') {
      const { hidesThoughts, seal } = this.#options;
      // Where the text is there to see, the signature carries none.
      const signature = seal(hidesThoughts ? text : '');
      this.#delta({ type: 'signature_delta', signature });
      this.#done({ type: 'thinking', thinking: hidesThoughts ? '' : text, signature });
    }
    this.#open = undefined;
    this.#text = '';
  }

  #callDelta({ index, name, arguments: piece }: Extract<GenerateEvent, { type: 'toolCallDelta' }>): void {
    // Of several calls written together, one is over where the next begins.
    if (name !== undefined) this.#beginCall(index, name);
    if (this.#openCall?.index === index) this.#growCall(piece);
  }

  #call({ index, name, arguments: args }: Extract<GenerateEvent, { type: 'toolCall' }>): void {
    if (!this.#begun.has(index)) {
      this.#beginCall(index, name);
      if (this.#openCall?.index === index) this.#growCall(args);
    }
    if (this.#openCall?.index === index) this.#endCall();
  }

  #beginCall(index: number, name: string): void {
    this.#endCall();
    if (!mayCall(this.#options.parallel, this.#calls)) return;
    this.#close();
    this.#calls++;
    this.#begun.add(index);
    const block: ToolBlock = {
      type: 'tool_use',
      id: `toolu_${randomUUID().replaceAll('-', '').slice(0, 24)}`,
      name,
      input: {},
      caller: { type: 'direct' },
    };
    this.#openCall = { index, block, text: '' };
    this.#events.push({ type: 'content_block_start', index: this.#index, content_block: block });
  }

  #growCall(partial_json: string): void {
    (this.#openCall as OpenCall).text += partial_json;
    this.#delta({ type: 'input_json_delta', partial_json });
  }

  /** Harmless when no call grows. One that came to nothing has an empty input. */
  #endCall(): void {
    if (!this.#openCall) return;
    const { block, text } = this.#openCall;
    this.#openCall = undefined;
    this.#done({ ...block, input: inputOf(text) });
  }

  #finish(event: FinishEvent, receipts: ChoiceEvent['receipts']): void {
    this.#close();
    const given = withReceipts(receipts);
    const stop_reason = this.#stopReason(event);
    const stop_sequence = stop_reason === 'stop_sequence' ? (event.stop ?? null) : null;
    const usage = toMessageUsage(event);
    this.#message = {
      ...this.#message,
      content: [...this.#content],
      stop_reason,
      stop_sequence,
      usage: { ...this.#message.usage, ...usage },
      ...given,
    };
    const delta = { stop_reason, stop_sequence, stop_details: null, container: null };
    this.#events.push({ type: 'message_delta', delta, usage, ...given }, { type: 'message_stop' });
  }

  #stopReason({ reason, stop, usage }: FinishEvent): NonNullable<MessageObject['stop_reason']> {
    if (reason === 'length') {
      const cut = usage.completionTokens >= this.#options.maxTokens;
      return cut ? 'max_tokens' : 'model_context_window_exceeded';
    }
    if (this.#calls > 0) return 'tool_use';
    return stop === undefined ? 'end_turn' : 'stop_sequence';
  }

  #delta(delta: Extract<MessageEvent, { type: 'content_block_delta' }>['delta']): void {
    this.#events.push({ type: 'content_block_delta', index: this.#index, delta });
  }

  #done(block: MessageBlock): void {
    this.#events.push({ type: 'content_block_stop', index: this.#index });
    this.#content.push(block);
  }
}

function emptyMessage({ model, inputTokens }: WriterOptions): MessageObject {
  return {
    id: `msg_${randomUUID().replaceAll('-', '')}`,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage: {
      input_tokens: inputTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: 0,
      output_tokens_details: { thinking_tokens: 0 },
      server_tool_use: null,
      cache_creation: null,
      inference_geo: null,
      service_tier: 'standard',
      speed: null,
    },
  };
}

function inputOf(text: string): ToolBlock['input'] {
  try {
    return JSON.parse(text) as ToolBlock['input'];
  } catch {
    return {};
  }
}
