/** From the chunks of a streamed answer to the answer as it would have come whole. */

import type { AnyReceipt } from '../receipts/any-receipt.ts';
import type { ChatChunk, ChatResponse, ToolCallBody } from '../schemas/chat-response.ts';

type Choice = ChatResponse['choices'][number];
type CallPiece = NonNullable<ChatChunk['choices'][number]['delta']['tool_calls']>[number];

export class ChunkCollector {
  readonly #choices: Choice[] = [];
  readonly #receipts: NonNullable<ChatChunk['steelyard']>['receipts'] = [];
  #last: ChatChunk | undefined;

  add(chunk: ChatChunk): void {
    this.#last = chunk;
    this.#receipts.push(...(chunk.steelyard?.receipts ?? []));
    for (const { index, delta, logprobs, finish_reason: reason } of chunk.choices) {
      const choice = (this.#choices[index] ??= emptyChoice(index));
      const { message } = choice;
      if (delta.content) message.content = (message.content ?? '') + delta.content;
      if (delta.reasoning_content)
        message.reasoning_content = (message.reasoning_content ?? '') + delta.reasoning_content;
      for (const piece of delta.tool_calls ?? []) addPiece((message.tool_calls ??= []), piece);
      if (logprobs?.content) {
        choice.logprobs ??= { content: [], refusal: null };
        choice.logprobs.content!.push(...logprobs.content);
      }
      if (reason) choice.finish_reason = reason;
    }
  }

  /** Undefined until the last chunk, which has the usage, is there. */
  get response(): ChatResponse | undefined {
    return this.#last?.usage ? this.withUsage(this.#last.usage) : undefined;
  }

  /** The answer of chunks whose last need not tell what it cost. */
  withUsage(usage: ChatResponse['usage']): ChatResponse | undefined {
    if (!this.#last) return undefined;
    const { id, created, model, system_fingerprint, service_tier } = this.#last;
    const choices = this.#choices.map((choice) => {
      const { message } = choice;
      // Text that did not come is empty, unless calls came instead.
      return message.tool_calls
        ? choice
        : { ...choice, message: { ...message, content: message.content ?? '' } };
    });
    const choiceOf = (receipt: AnyReceipt) => ('choice' in receipt ? receipt.choice : 0);
    const receipts = this.#receipts.toSorted((a, b) => choiceOf(a) - choiceOf(b));
    return {
      ...{ id, object: 'chat.completion', created, model, system_fingerprint, choices, usage },
      ...(service_tier ? { service_tier } : {}),
      ...(receipts.length > 0 ? { steelyard: { receipts } } : {}),
    };
  }
}

/** A call comes with its id and its name first, then in pieces of its arguments. */
function addPiece(
  calls: ToolCallBody[],
  { index, id, function: { name, arguments: args } }: CallPiece,
): void {
  const known = calls[index];
  if (known) known.function.arguments += args ?? '';
  else calls[index] = { id: id!, type: 'function', function: { name: name!, arguments: args ?? '' } };
}

function emptyChoice(index: number): Choice {
  return {
    index,
    message: { role: 'assistant', content: null, refusal: null },
    logprobs: null,
    finish_reason: 'stop',
  };
}
