/** Calls of one choice as stream events have them: piece by piece where the engine tells them so, else whole. */

import type { GenerateEvent } from '@steelyard/engine';
import { mayCall, newCallId } from './chat-options.ts';
import type { ToolCallPiece } from './schemas/chat-response.ts';

export type CallEvent = Extract<GenerateEvent, { type: 'toolCall' | 'toolCallDelta' }>;

export class StreamedCalls {
  readonly #parallel: boolean | null | undefined;
  /** Places in the answer by the engine's numbers, of which some may come to nothing. */
  readonly #places = new Map<number, number>();

  /** @param parallel as the request has it */
  constructor(parallel: boolean | null | undefined) {
    this.#parallel = parallel;
  }

  /** Calls that were told of. */
  get count(): number {
    return this.#places.size;
  }

  /** Undefined for what was told before, or is not to be told. */
  take(event: CallEvent): ToolCallPiece | undefined {
    const place = this.#places.get(event.index);
    if (place !== undefined) {
      return event.type === 'toolCall'
        ? undefined
        : { index: place, function: { arguments: event.arguments } };
    }
    if (event.name === undefined || !mayCall(this.#parallel, this.count)) return undefined;
    const index = this.count;
    this.#places.set(event.index, index);
    const { name, arguments: args } = event;
    return { index, id: newCallId(), type: 'function', function: { name, arguments: args } };
  }
}
