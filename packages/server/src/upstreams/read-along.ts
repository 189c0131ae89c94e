/**
 * Reads along in another provider's answer while it is passed on: what it cost, and where that is wished a receipt put
 * into it. Bytes go on as they came, but for what bears the receipt.
 */

import { createHash } from 'node:crypto';

/** Of one answer or event, held until it is whole; what is longer goes on unread. */
const MOST_HELD = 32 * 1024 * 1024;
const BYTES_PER_TOKEN = 4;
const DONE = '[DONE]';

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

/** Makes what stands in the answer's field `steelyard`; called once, when the answer has come whole. */
export type Extension = (answer: ReadAnswer) => Promise<object>;

type Json = Readonly<Record<string, unknown>>;

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
    extension?: Extension,
  ): ReadableStream<Uint8Array> {
    return body.pipeThrough(streams ? this.#frames(extension) : this.#whole(extension));
  }

  #take(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  #whole(extension?: Extension): TransformStream<Uint8Array, Uint8Array> {
    const held: Uint8Array[] = [];
    let isLong = false;
    return new TransformStream({
      transform: (chunk, controller) => {
        this.#take(chunk);
        if (!isLong) held.push(chunk);
        const length = this.#bytes;
        if (!extension || isLong) controller.enqueue(chunk);
        if (length <= MOST_HELD || isLong) return;
        isLong = true;
        if (extension) for (const early of held) controller.enqueue(early);
        held.length = 0;
      },
      flush: async (controller) => {
        if (isLong) return;
        const bytes = Buffer.concat(held);
        const answer = parsed(bytes.toString('utf8'));
        if (answer) this.#note(answer);
        if (!extension) return;
        const more = answer && { ...answer, steelyard: await extension(this.read) };
        controller.enqueue(more ? Buffer.from(JSON.stringify(more)) : bytes);
      },
    });
  }

  #frames(extension?: Extension): TransformStream<Uint8Array, Uint8Array> {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const encoder = new TextEncoder();
    let buffer = '';
    let given = false;
    // Bytes go on at once where nothing is put between them.
    const tell = (text: string, controller: TransformStreamDefaultController<Uint8Array>) => {
      if (extension) controller.enqueue(encoder.encode(text));
    };
    const give = async (frame: string, controller: TransformStreamDefaultController<Uint8Array>) => {
      const event = this.#readFrame(frame);
      const isEnd = event === DONE || isLastEvent(event);
      if (extension && isEnd && !given) {
        given = true;
        const steelyard = await extension(this.read);
        for (const told of withExtension(frame, event, this.#head, steelyard)) tell(told, controller);
      } else tell(frame, controller);
    };
    return new TransformStream({
      transform: async (chunk, controller) => {
        this.#take(chunk);
        if (!extension) controller.enqueue(chunk);
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
    const data = frame
      .split(/\r?\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice('data:'.length).trimStart())
      .join('\n');
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

/** The end of a stream with the extension: in its last event, or in one of its own before the mark. */
function withExtension(
  frame: string,
  event: Json | typeof DONE | undefined,
  head: Json | undefined,
  steelyard: object,
): readonly string[] {
  if (isLastEvent(event)) {
    const told = { ...event, response: { ...event.response, steelyard } };
    return [`event: ${String(event['type'])}\ndata: ${JSON.stringify(told)}\n\n`];
  }
  const { usage: _, ...known } = head ?? {};
  return [`data: ${JSON.stringify({ ...known, choices: [], steelyard })}\n\n`, frame];
}

/** Where the first event ends; 0 while none has. */
function frameEnd(text: string): number {
  const blank = /\r?\n\r?\n/.exec(text);
  return blank ? blank.index + blank[0].length : 0;
}

function parsed(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
