/**
 * From what a model says to the events of a streamed response, and to the response itself. A whole answer is what the
 * last event holds, so that both ways give the same. Nothing is written twice: events hold objects that stay as they are.
 */

import type { TokenLogprob } from '@steelyard/engine';
import { mayCall, newCallId } from '../chat-options.ts';
import { toChatLogprobs } from '../schemas/chat-response.ts';
import { withReceipts } from '../receipts/give-receipt.ts';
import type { AnyReceipt } from '../receipts/any-receipt.ts';
import type { EventLogprobs, ResponseEvent } from '../schemas/response-events.ts';
import type { OutputItem, TextPart } from '../schemas/response-items.ts';
import {
  toResponseUsage,
  type ResponseError,
  type ResponseObject,
  type ResponseUsage,
} from '../schemas/response-object.ts';
import type { FileCitation, ToolItem } from '../schemas/tool-items.ts';
import type { FinishEvent } from '../schemas/usage.ts';
import type { CallEvent } from '../streamed-calls.ts';
import type { ItemStep, LoopEvent } from '../tool-loop/server-tool.ts';
import { newItemId } from './item-ids.ts';
import type { Seal } from './sealed-reasoning.ts';

/** An event before it has its number. */
type Unnumbered = ResponseEvent extends infer One
  ? One extends ResponseEvent
    ? Omit<One, 'sequence_number'>
    : never
  : never;

/** The last events of streams. */
const ENDS: ReadonlySet<string | undefined> = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
]);

type Status = CallItem['status'];
type Logprobs = TextPart['logprobs'];
export type CallItem = Extract<OutputItem, { type: 'function_call' }>;

/** The item that grows. */
interface OpenItem {
  readonly id: string;
  readonly type: 'message' | 'reasoning';
  text: string;
  readonly logprobs: Logprobs[number][];
  readonly annotations: FileCitation[];
}

/** The call that grows. */
interface OpenCall {
  /** The engine's number. */
  readonly index: number;
  readonly item: CallItem;
  text: string;
}

export interface WriterOptions {
  /** Of the copy by which thoughts can be given back, where they go with one. */
  readonly seal: Seal['seal'] | undefined;
}

export class ResponseWriter {
  readonly #options: WriterOptions;
  #response: ResponseObject;
  #events: ResponseEvent[] = [];
  #number = 0;
  #open: OpenItem | undefined;
  #openCall: OpenCall | undefined;
  /** What a tool of the server makes. */
  #openTool: ToolItem | undefined;
  /** The engine's numbers of calls that grew. */
  readonly #grown = new Set<number>();

  constructor(response: ResponseObject, options: WriterOptions) {
    this.#response = response;
    this.#options = options;
  }

  /** As far as it is, without the item that still grows. */
  get response(): ResponseObject {
    return this.#response;
  }

  /** Events since the last call. */
  take(): ResponseEvent[] {
    return this.#events.splice(0);
  }

  begin(): void {
    this.#emit({ type: 'response.created', response: this.#response });
    if (this.#response.status === 'queued') this.#emit({ type: 'response.queued', response: this.#response });
  }

  /** The model runs. */
  start(): void {
    this.#response = { ...this.#response, status: 'in_progress' };
    this.#emit({ type: 'response.in_progress', response: this.#response });
  }

  /** @param receipts come with the end */
  write({ event, receipts }: LoopEvent): void {
    if (event.type === 'reasoning') this.#say('reasoning', event.text, []);
    if (event.type === 'text') this.#say('message', event.text, toLogprobs(event.logprobs));
    if (event.type === 'annotation') this.#cite(event.annotation);
    if (event.type === 'item') this.step(event.step);
    if (event.type === 'toolCallDelta') this.#callDelta(event);
    if (event.type === 'toolCall') this.#call(event);
    if (event.type === 'finish') this.#finish(event, receipts);
  }

  /** Ends it for a reason other than the model's. */
  fail(error: ResponseError): void {
    this.close('incomplete');
    this.#response = { ...this.#response, status: 'failed', error };
    this.#emit({ type: 'response.failed', response: this.#response });
  }

  /** Ends it with what it has. @param usage as far as it was computed */
  cancel(usage: ResponseUsage | undefined): void {
    this.close('incomplete');
    // It had an end that nobody was told: cancelled meanwhile, it is not kept so.
    if (ENDS.has(this.#events.at(-1)?.type)) {
      this.#events.pop();
      this.#number--;
    }
    this.endAs({
      ...this.#response,
      status: 'cancelled',
      completed_at: null,
      incomplete_details: null,
      error: null,
      ...(usage ? { usage } : {}),
    });
  }

  /** Ends the stream of a response whose end is not told here. */
  interrupt(code: string, message: string): void {
    // What was not taken tells an end that did not come.
    this.#number -= this.#events.length;
    this.#events = [];
    this.#emit({ type: 'error', code, message, param: null });
  }

  /** Ends it as it was ended before. */
  endAs(end: ResponseObject): void {
    this.#response = end;
    if (end.status === 'failed') this.#emit({ type: 'response.failed', response: end });
    // OpenAI has no event for a cancelled one; by this, its SDKs know that no more comes.
    else if (end.status === 'incomplete' || end.status === 'cancelled')
      this.#emit({ type: 'response.incomplete', response: end });
    else if (end.status === 'completed') this.#emit({ type: 'response.completed', response: end });
  }

  open(type: OpenItem['type'], id = newItemId(type)): void {
    this.#open = { id, type, text: '', logprobs: [], annotations: [] };
    const item = { ...this.#itemOf(this.#open, 'in_progress'), content: [] } as OutputItem;
    this.#emit({ type: 'response.output_item.added', item, output_index: this.#index });
    this.#emit({ type: 'response.content_part.added', part: partOf(this.#open), ...this.#placeOf(id) });
  }

  grow(delta: string, logprobs: Logprobs = []): void {
    const open = this.#open!;
    open.text += delta;
    open.logprobs.push(...logprobs);
    const place = this.#placeOf(open.id);
    if (open.type === 'message')
      this.#emit({ type: 'response.output_text.delta', delta, logprobs: inEvent(logprobs), ...place });
    else this.#emit({ type: 'response.reasoning_text.delta', delta, ...place });
  }

  /** The item that grows is whole; harmless when none does. */
  close(status: Status): void {
    // What comes after a call that was begun and is not whole tells that it came to nothing.
    this.#endCall('incomplete');
    if (this.#openTool) this.step({ done: { ...this.#openTool, status: 'incomplete' } as ToolItem });
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    const { text, logprobs } = open;
    const place = this.#placeOf(open.id);
    if (open.type === 'message')
      this.#emit({ type: 'response.output_text.done', text, logprobs: inEvent(logprobs), ...place });
    else this.#emit({ type: 'response.reasoning_text.done', text, ...place });
    this.#emit({ type: 'response.content_part.done', part: partOf(open), ...place });
    this.#done(this.#itemOf(open, status));
  }

  /** Something that a tool of the server does. */
  step(step: ItemStep): void {
    if ('added' in step) {
      this.close('completed');
      this.#openTool = step.added;
      this.#emit({ type: 'response.output_item.added', item: step.added, output_index: this.#index });
    } else if ('event' in step) {
      this.#emit({ ...step.event, item_id: this.#openTool!.id, output_index: this.#index });
    } else {
      this.#openTool = undefined;
      this.#done(step.done);
    }
  }

  /** Where the text stands now, unless it is told of a text that is whole. */
  annotate(annotation: FileCitation): void {
    const open = this.#open!;
    this.#emit({
      type: 'response.output_text.annotation.added',
      annotation,
      annotation_index: open.annotations.push(annotation) - 1,
      ...this.#placeOf(open.id),
    });
  }

  /** A whole call, in one piece. */
  addCall(item: CallItem): void {
    this.#beginCall(0, item);
    this.#growCall(item.arguments);
    this.#endCall(item.status);
  }

  #beginCall(index: number, item: CallItem): void {
    const begun: CallItem = { ...item, arguments: '', status: 'in_progress' };
    this.#openCall = { index, item: begun, text: '' };
    this.#emit({ type: 'response.output_item.added', item: begun, output_index: this.#index });
  }

  #growCall(delta: string): void {
    const { item } = this.#openCall!;
    this.#openCall!.text += delta;
    const place = { item_id: item.id, output_index: this.#index };
    this.#emit({ type: 'response.function_call_arguments.delta', delta, ...place });
  }

  /** Harmless when no call grows. */
  #endCall(status: Status): void {
    if (!this.#openCall) return;
    const { item, text } = this.#openCall;
    this.#openCall = undefined;
    const place = { item_id: item.id, output_index: this.#index };
    const { name } = item;
    this.#emit({ type: 'response.function_call_arguments.done', name, arguments: text, ...place });
    this.#done({ ...item, arguments: text, status });
  }

  get #index(): number {
    return this.#response.output.length;
  }

  #say(type: OpenItem['type'], text: string, logprobs: Logprobs): void {
    // Tokens without text begin nothing: before a call, a model may write no more than white space.
    if (text === '' && (logprobs.length === 0 || this.#open?.type !== type)) return;
    if (this.#open?.type !== type) {
      this.close('completed');
      this.open(type);
    }
    this.grow(text, logprobs);
  }

  #cite(annotation: Omit<FileCitation, 'index'>): void {
    // A text may begin with a mark.
    if (this.#open?.type !== 'message') {
      this.close('completed');
      this.open('message');
    }
    // Characters, not the pieces of which JavaScript makes some.
    this.annotate({ ...annotation, index: [...this.#open!.text].length });
  }

  #callDelta({ index, name, arguments: delta }: Extract<CallEvent, { type: 'toolCallDelta' }>): void {
    if (name !== undefined) {
      // Of several calls written together, one is over where the next begins.
      this.#endCall('completed');
      if (this.#mayCall()) {
        this.close('completed');
        this.#grown.add(index);
        this.#beginCall(index, callItem(name, '', 'in_progress'));
      }
    }
    if (this.#openCall?.index === index) this.#growCall(delta);
  }

  #call({ index, name, arguments: args }: Extract<CallEvent, { type: 'toolCall' }>): void {
    if (this.#openCall?.index === index) this.#endCall('completed');
    if (this.#grown.has(index) || !this.#mayCall()) return;
    this.close('completed');
    this.addCall(callItem(name, args, 'completed'));
  }

  #mayCall(): boolean {
    const calls = this.#response.output.filter(({ type }) => type === 'function_call').length;
    return mayCall(this.#response.parallel_tool_calls, calls);
  }

  #finish(event: FinishEvent, receipts: readonly AnyReceipt[] | undefined): void {
    const cut = event.reason === 'length';
    if (!this.#open && this.#index === 0) this.open('message');
    this.close(cut ? 'incomplete' : 'completed');
    this.endAs({
      ...this.#response,
      status: cut ? 'incomplete' : 'completed',
      completed_at: cut ? null : Math.floor(Date.now() / 1000),
      incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
      usage: toResponseUsage(event),
      ...withReceipts(receipts),
    });
  }

  #done(item: OutputItem): void {
    this.#emit({ type: 'response.output_item.done', item, output_index: this.#index });
    this.#response = { ...this.#response, output: [...this.#response.output, item] };
  }

  #itemOf(open: OpenItem, status: Status): OutputItem {
    const { id, text } = open;
    if (open.type === 'message')
      return { id, type: 'message', role: 'assistant', status, content: [textPart(open)] };
    return {
      id,
      type: 'reasoning',
      summary: [],
      content: [{ type: 'reasoning_text', text }],
      ...(this.#options.seal && status !== 'in_progress'
        ? { encrypted_content: this.#options.seal(text) }
        : {}),
      status,
    };
  }

  #placeOf(id: string) {
    return { item_id: id, output_index: this.#index, content_index: 0 };
  }

  #emit(event: Unnumbered): void {
    this.#events.push({ ...event, sequence_number: this.#number++ });
  }
}

function callItem(name: string, args: string, status: Status): CallItem {
  const id = newItemId('function_call');
  return { id, type: 'function_call', call_id: newCallId(), name, arguments: args, status };
}

function textPart({ text, annotations, logprobs }: OpenItem): TextPart {
  return { type: 'output_text', text, annotations: [...annotations], logprobs: [...logprobs] };
}

function partOf(open: OpenItem) {
  return open.type === 'message' ? textPart(open) : { type: 'reasoning_text' as const, text: open.text };
}

function toLogprobs(tokens: readonly TokenLogprob[] | undefined): Logprobs {
  return (toChatLogprobs(tokens)?.content ?? []).map((token) => ({
    ...token,
    bytes: token.bytes ?? [],
    top_logprobs: token.top_logprobs.map((one) => ({ ...one, bytes: one.bytes ?? [] })),
  }));
}

function inEvent(logprobs: Logprobs): EventLogprobs {
  return logprobs.map(({ token, logprob, top_logprobs }) => ({
    ...{ token, logprob },
    top_logprobs: top_logprobs.map(({ token, logprob }) => ({ token, logprob })),
  }));
}
