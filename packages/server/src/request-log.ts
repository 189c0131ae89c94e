/**
 * A line for each request, when its answer has ended: who, what, how long, how many tokens. What was asked and answered
 * is in it only where the project has turned that on.
 */

import type { ServerResponse } from 'node:http';
import type { Caller } from './access/caller.ts';
import type { Used } from './access/usage-meter.ts';

export interface RequestLogEntry {
  /** ISO 8601, UTC: when it came. */
  readonly time: string;
  readonly request_id: string;
  readonly method: string;
  /** As the documentation writes it, with names in place of ids. */
  readonly path: string;
  readonly status: number;
  /** Until the last byte of the answer was handed on. */
  readonly ms: number;
  readonly project: string | null;
  readonly key_id: string | null;
  readonly model: string | null;
  readonly input_tokens: number;
  readonly cached_tokens: number;
  readonly output_tokens: number;
  /** The JSON body; only where the project logs content. */
  readonly asked?: unknown;
  /** The answer as it was sent; only where the project logs content. */
  readonly answered?: string;
}

/** Of answers logged with their content, what is kept. */
const MOST_ANSWERED = 1 << 20;

export class LoggedRequest {
  readonly #started = performance.now();
  readonly #head: Pick<RequestLogEntry, 'time' | 'request_id' | 'method' | 'path'>;
  readonly #write: (entry: RequestLogEntry) => void;
  readonly #mayHoldContent: boolean;
  #caller: Caller | undefined;
  #model: string | null = null;
  #asked: unknown;
  #answered: Promise<string> | undefined;
  readonly #tokens = { input: 0, cached: 0, output: 0 };

  constructor(
    head: Pick<RequestLogEntry, 'request_id' | 'method' | 'path'>,
    write: (entry: RequestLogEntry) => void,
    { content = true }: { readonly content?: boolean | undefined } = {},
  ) {
    this.#head = { time: new Date().toISOString(), ...head };
    this.#write = write;
    this.#mayHoldContent = content;
  }

  from(caller: Caller): void {
    this.#caller = caller;
  }

  get #holdsContent(): boolean {
    return this.#mayHoldContent && this.#caller?.logsContent === true;
  }

  asks(body: unknown): void {
    const model = (body as { model?: unknown } | undefined)?.model;
    if (typeof model === 'string') this.#model = model;
    if (this.#holdsContent) this.#asked = body;
  }

  used({ inputTokens, cachedTokens, outputTokens }: Used): void {
    this.#tokens.input += inputTokens;
    this.#tokens.cached += cachedTokens;
    this.#tokens.output += outputTokens;
  }

  /** @param outgoing what the answer goes out by; absent without a socket */
  answers(status: number, response: Response | undefined, outgoing: ServerResponse | undefined): void {
    if (this.#holdsContent && response) this.#answered = readSome(response.clone());
    const end = () => void this.#end(status);
    if (outgoing && !outgoing.closed) outgoing.once('close', end);
    else end();
  }

  async #end(status: number): Promise<void> {
    const ms = Math.round(performance.now() - this.#started);
    const answered = await this.#answered;
    this.#write({
      ...this.#head,
      ...{ status, ms, model: this.#model },
      project: this.#caller?.project ?? null,
      key_id: this.#caller?.keyId ?? null,
      input_tokens: this.#tokens.input,
      cached_tokens: this.#tokens.cached,
      output_tokens: this.#tokens.output,
      ...(this.#asked === undefined ? {} : { asked: this.#asked }),
      ...(answered === undefined ? {} : { answered }),
    });
  }
}

/** The beginning of it, if it breaks off or is long; read to its end all the same, so that nobody waits for us. */
async function readSome(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      if (text.length < MOST_ANSWERED) text += decoder.decode(chunk, { stream: true });
    }
  } catch {
    // Its reader left; what came until then is what was answered.
  }
  return text.slice(0, MOST_ANSWERED);
}
