/** One round of the model: what it says goes on to the caller, what it calls of the server's tools is run at once, in order. */

import type { GenerateEvent } from '@steelyard/engine';
import type { ChatMessage } from '@steelyard/text';
import { mayCall, newCallId } from '../chat-options.ts';
import type { CallEvent } from '../streamed-calls.ts';
import type { CallEnd, ItemStep, RunningCall, TextReader, ToolEvent, ToolSource } from './server-tool.ts';
import type { Toolbox } from './toolbox.ts';

const LIMIT_REACHED =
  'Not called: no more calls of tools are allowed for this answer. Answer with what is known already.';

export interface RoundPlan {
  readonly toolbox: Toolbox;
  readonly sources: readonly ToolSource[];
  readonly parallel: boolean | null | undefined;
  /** Calls of the server's tools that may still be made. */
  readonly callsLeft: number;
  readonly signal: AbortSignal;
}

type Told = GenerateEvent | ToolEvent;

/** A call by the engine's number: of the caller's function, of a tool here, or to be passed over. */
type Taken =
  | { readonly kind: 'client' }
  | { readonly kind: 'dropped' }
  | { readonly kind: 'refused'; readonly name: string }
  | { readonly kind: 'server'; readonly name: string; readonly running: RunningCall; text: string };

interface Answered {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
  readonly output: string;
}

export class Round {
  readonly #plan: RoundPlan;
  readonly #reader: TextReader | undefined;
  readonly #taken = new Map<number, Taken>();
  readonly #open = new Set<RunningCall>();
  readonly #answered: Answered[] = [];
  #text = '';
  #reasoning = '';
  #isCallers = false;
  #callsRun = 0;

  constructor(plan: RoundPlan) {
    this.#plan = plan;
    this.#reader = plan.sources.flatMap((source) => source.reader?.() ?? [])[0];
  }

  /** Calls of the server's tools that were run. */
  get callsRun(): number {
    return this.#callsRun;
  }

  /** Whether the model is asked again: it has results to go on from, and nothing for the caller to do. */
  get goesOn(): boolean {
    return this.#answered.length > 0 && !this.#isCallers;
  }

  /** What the round adds to the conversation, for the next. */
  messages(): readonly ChatMessage[] {
    const calls = this.#answered.map(({ id, name, arguments: args }) => ({
      ...{ id, type: 'function' as const },
      function: { name, arguments: args },
    }));
    return [
      {
        role: 'assistant',
        content: this.#text === '' ? null : this.#text,
        ...(this.#reasoning === '' ? {} : { reasoning_content: this.#reasoning }),
        tool_calls: calls,
      },
      ...this.#answered.map(({ id, output }) => ({
        role: 'tool' as const,
        content: output,
        tool_call_id: id,
      })),
    ];
  }

  async *take(event: Exclude<GenerateEvent, { type: 'finish' }>): AsyncGenerator<Told> {
    if (event.type === 'toolCallDelta' || event.type === 'toolCall') {
      yield* this.#call(event);
    } else if (event.type === 'text') {
      this.#text += event.text;
      yield* this.#read(event);
    } else {
      if (event.type === 'reasoning') this.#reasoning += event.text;
      yield event;
    }
  }

  /** The model has ended. */
  *end(): Generator<Told> {
    yield* this.#restOfText();
    for (const running of this.#open) yield* items(running.cut());
  }

  *#read(event: Extract<GenerateEvent, { type: 'text' }>): Generator<Told> {
    if (!this.#reader) {
      yield event;
      return;
    }
    const parts = this.#reader.push(event.text);
    // Its tokens go with the first piece, or with none where the text is held back.
    const first = parts.findIndex((part) => typeof part === 'string');
    if (first < 0) yield { ...event, text: '' };
    for (const [i, part] of parts.entries()) {
      if (typeof part !== 'string') yield part;
      else yield i === first ? { ...event, text: part } : { type: 'text', text: part, tokens: [] };
    }
  }

  *#restOfText(): Generator<Told> {
    for (const part of this.#reader?.end() ?? [])
      yield typeof part === 'string' ? { type: 'text', text: part, tokens: [] } : part;
  }

  async *#call(event: CallEvent): AsyncGenerator<Told> {
    const known = this.#taken.get(event.index);
    // Only what names a tool can begin a call.
    const taken = known ?? (event.name === undefined ? undefined : this.#begin(event.index, event.name));
    if (!taken || taken.kind === 'dropped') return;
    if (taken.kind === 'client') {
      yield event;
    } else if (taken.kind === 'server') {
      if (!known) {
        yield* this.#restOfText();
        yield* items(taken.running.begin());
      }
      yield* this.#serve(taken, event);
    } else if (event.type === 'toolCall') {
      this.#answer(taken.name, event.arguments, { output: LIMIT_REACHED });
    }
  }

  async *#serve(taken: Extract<Taken, { kind: 'server' }>, event: CallEvent): AsyncGenerator<Told> {
    if (event.type === 'toolCallDelta') {
      yield* this.#grow(taken, event.arguments);
      return;
    }
    if (taken.text === '' && event.arguments !== '') yield* this.#grow(taken, event.arguments);
    this.#open.delete(taken.running);
    yield* this.#run(taken.name, taken.running, event.arguments);
  }

  #begin(index: number, name: string): Taken {
    const taken = this.#kindOf(name);
    this.#taken.set(index, taken);
    if (taken.kind === 'client') this.#isCallers = true;
    if (taken.kind === 'server') {
      this.#callsRun++;
      this.#open.add(taken.running);
    }
    return taken;
  }

  #kindOf(name: string): Taken {
    const calls = [...this.#taken.values()].filter(({ kind }) => kind !== 'dropped').length;
    if (!mayCall(this.#plan.parallel, calls)) return { kind: 'dropped' };
    const tool = this.#plan.toolbox.find(name);
    if (!tool) return { kind: 'client' };
    if (this.#callsRun >= this.#plan.callsLeft) return { kind: 'refused', name };
    return { kind: 'server', name, running: tool.call(), text: '' };
  }

  *#grow(taken: Extract<Taken, { kind: 'server' }>, delta: string): Generator<Told> {
    taken.text += delta;
    yield* items(taken.running.grow(delta));
  }

  async *#run(name: string, running: RunningCall, args: string): AsyncGenerator<Told> {
    const steps = running.run(args, this.#plan.signal);
    for (;;) {
      const next = await steps.next();
      if (next.done) return this.#answer(name, args, next.value);
      yield { type: 'item', step: next.value };
    }
  }

  #answer(name: string, args: string, end: CallEnd): void {
    if (end === 'waits') this.#isCallers = true;
    else this.#answered.push({ id: newCallId(), name, arguments: args, output: end.output });
  }
}

function* items(steps: readonly ItemStep[]): Generator<Told> {
  for (const step of steps) yield { type: 'item', step };
}
