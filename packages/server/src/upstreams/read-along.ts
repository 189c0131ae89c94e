/**
 * Reads along in another provider's answer while it is passed on: what it cost, and where that is wished a receipt put
 * into it. Bytes go on as they came, but for what bears the receipt.
 */

import { createHash } from 'node:crypto';
import { BYTES_PER_TOKEN } from '../queue/queues.ts';
import { DONE, dataOf, frameEnd, isObject, parsed } from './sse-events.ts';

/** Of one answer or event, held until it is whole; what is longer goes on unread. */
const MOST_HELD = 32 * 1024 * 1024;

export interface UpstreamUsage {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** A guess by lengths, where the upstream tells nothing. */
  readonly estimated: boolean;
}

/** What is known of the answer so far. */
export interface ReadAnswer {
  readonly usage: UpstreamUsage;
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
  readonly model: string | null;
  readonly fingerprint: string | null;
}

export type Json = Readonly<Record<string, unknown>>;

/** What is done to an answer on its way. */
export interface Amendment {
  /** Makes what stands in the answer's field `steelyard`; called once, when the answer has come whole. */
  readonly extension?: (answer: ReadAnswer) => Promise<object>;
  /** Each object on its way, the whole answer or an event of its stream; undefined: it does not go on. */
  readonly each?: (told: Json) => Json | undefined;
  /**
   * Called once, before the end of the answer goes on.
   * @param whole the answer; absent in a stream whose last event does not hold it
   */
  readonly keep?: (
    whole: Json | undefined,
    answer: ReadAnswer,
    steelyard: object | undefined,
  ) => Promise<void>;
}

export class AnswerReader {
  readonly #sentBytes: number;
  readonly #hash = createHash('sha256');
  #bytes = 0;
  /** Events of a stream that held something: about one for each token. */
  #events = 0;
  #usage: Json | undefined;
  #head: Json | undefined;

  /** @param sentBytes length of the request, to guess its tokens by */
  constructor(sentBytes: number) {
    this.#sentBytes = sentBytes;
  }

  get read(): ReadAnswer {
    const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, 300) : null);
    return {
      usage: this.#usage ? toldUsage(this.#usage) : this.#guess(),
      bytes: this.#bytes,
      sha256: this.#hash.copy().digest('hex'),
      model: text(this.#head?.['model']),
      fingerprint: text(this.#head?.['system_fingerprint']),
    };
  }

  /** The body, read along. */
  through(
    body: ReadableStream<Uint8Array>,
    streams: boolean,
    amendment?: Amendment,
  ): ReadableStream<Uint8Array> {
    return body.pipeThrough(streams ? this.#frames(amendment) : this.#whole(amendment));
  }

  #take(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  #whole(amendment?: Amendment): TransformStream<Uint8Array, Uint8Array> {
    const held: Uint8Array[] = [];
    let isLong = false;
    return new TransformStream({
      transform: (chunk, controller) => {
        this.#take(chunk);
        if (!isLong) held.push(chunk);
        const length = this.#bytes;
        if (!amendment || isLong) controller.enqueue(chunk);
        if (length <= MOST_HELD || isLong) return;
        isLong = true;
        if (amendment) for (const early of held) controller.enqueue(early);
        held.length = 0;
      },
      flush: async (controller) => {
        if (isLong) return;
        const bytes = Buffer.concat(held);
        const answer = parsed(bytes.toString('utf8'));
        if (answer) this.#note(answer);
        if (!amendment) return;
        const told = answer && (amendment.each?.(answer) ?? answer);
        const more = told && (await this.#end(told, amendment)).whole;
        controller.enqueue(more && more !== answer ? Buffer.from(JSON.stringify(more)) : bytes);
      },
    });
  }

  async #end(
    told: Json | undefined,
    { extension, keep }: Amendment,
  ): Promise<{ readonly whole: Json | undefined; readonly steelyard: object | undefined }> {
    const steelyard = await extension?.(this.read);
    const whole = told && steelyard ? { ...told, steelyard } : told;
    await keep?.(whole, this.read, steelyard);
    return { whole, steelyard };
  }

  #frames(amendment?: Amendment): TransformStream<Uint8Array, Uint8Array> {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const encoder = new TextEncoder();
    let buffer = '';
    let ended = false;
    // Bytes go on at once where nothing is done to them.
    const tell = (text: string, controller: TransformStreamDefaultController<Uint8Array>) => {
      if (amendment) controller.enqueue(encoder.encode(text));
    };
    const give = async (frame: string, controller: TransformStreamDefaultController<Uint8Array>) => {
      const event = this.#readFrame(frame);
      if (!amendment) return;
      const told = isObject(event) ? (amendment.each ?? same)(event) : event;
      if ((event === DONE || isLastEvent(event)) && !ended) {
        ended = true;
        const response = isLastEvent(told) ? told.response : undefined;
        const { whole, steelyard } = await this.#end(response, amendment);
        if (isLastEvent(told))
          return tell(framed(frame, event, { ...told, response: whole ?? response }), controller);
        if (steelyard) tell(extensionFrame(this.#head, steelyard), controller);
      }
      if (told === undefined && event !== undefined) return;
      tell(isObject(told) ? framed(frame, event, told) : frame, controller);
    };
    return new TransformStream({
      transform: async (chunk, controller) => {
        this.#take(chunk);
        if (!amendment) controller.enqueue(chunk);
        buffer += decoder.decode(chunk, { stream: true });
        for (let end = frameEnd(buffer); end > 0; end = frameEnd(buffer)) {
          const frame = buffer.slice(0, end);
          buffer = buffer.slice(end);
          await give(frame, controller);
        }
        if (buffer.length <= MOST_HELD) return;
        tell(buffer, controller);
        buffer = '';
      },
      flush: async (controller) => {
        buffer += decoder.decode();
        if (buffer !== '') await give(buffer, controller);
      },
    });
  }

  #readFrame(frame: string): Json | typeof DONE | undefined {
    const data = dataOf(frame);
    if (data === '') return undefined;
    if (data.trim() === DONE) return DONE;
    this.#events++;
    const event = parsed(data);
    if (!event) return undefined;
    const response = event['response'];
    this.#note(isObject(response) ? response : event);
    return event;
  }

  #note(answer: Json): void {
    const usage = answer['usage'];
    if (isObject(usage)) this.#usage = usage;
    if ('model' in answer) this.#head = answer;
  }

  #guess(): UpstreamUsage {
    return {
      inputTokens: Math.ceil(this.#sentBytes / BYTES_PER_TOKEN),
      cachedTokens: 0,
      outputTokens: this.#events > 0 ? this.#events : Math.ceil(this.#bytes / BYTES_PER_TOKEN),
      estimated: true,
    };
  }
}

/** By the names of completions and embeddings, or by those of responses. */
function toldUsage(usage: Json): UpstreamUsage {
  const count = (...names: string[]) => {
    const found = names.map((name) => usage[name]).find((value) => typeof value === 'number');
    return Number.isSafeInteger(found) && Number(found) >= 0 ? Number(found) : 0;
  };
  const details = usage['prompt_tokens_details'] ?? usage['input_tokens_details'];
  const cached = isObject(details) ? details['cached_tokens'] : 0;
  return {
    inputTokens: count('prompt_tokens', 'input_tokens'),
    cachedTokens: Number.isSafeInteger(cached) && Number(cached) >= 0 ? Number(cached) : 0,
    outputTokens: count('completion_tokens', 'output_tokens'),
    estimated: false,
  };
}

/** Of a stream of responses, the event that has the response as it ended. */
function isLastEvent(event: Json | string | undefined): event is Json & { response: Json } {
  if (!isObject(event) || !isObject(event['response'])) return false;
  return /^response\.(completed|incomplete|failed)$/.test(String(event['type']));
}

/** An event as it came, or with what it says now. */
function framed(frame: string, event: Json | string | undefined, told: Json): string {
  if (told === event) return frame;
  const name = /^event: ?(.*)$/m.exec(frame)?.[1]?.trim();
  return `${name ? `event: ${name}\n` : ''}data: ${JSON.stringify(told)}\n\n`;
}

/** For a stream whose last event does not hold the answer: one of its own before the mark. */
function extensionFrame(head: Json | undefined, steelyard: object): string {
  const { usage: _, ...known } = head ?? {};
  return `data: ${JSON.stringify({ ...known, choices: [], steelyard })}\n\n`;
}

function same(told: Json): Json {
  return told;
}
