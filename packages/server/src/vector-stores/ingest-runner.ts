/** Reads files into vector stores in the background: their text, cut into pieces, and the pieces' vectors. */

import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EmbeddingModel } from '@steelyard/engine';
import type { ClaimedFile, IngestQueue, NewChunk } from '@steelyard/storage';
import { ClaimedJobs } from '../background/claimed-jobs.ts';
import type { LowPriorityGate } from '../background/low-priority-gate.ts';
import { ExtractError } from '../extract/extract-error.ts';
import { extractText } from '../extract/extract-text.ts';
import { ApiError } from '../http/api-error.ts';
import type { Lifecycle } from '../lifecycle.ts';
import { acquireModel, findNamed, type EmbeddingProvider, type Lease } from '../model-provider.ts';
import type { Chunking } from '../schemas/vector-stores.ts';
import { chunkText, type ChunkSizes } from './chunk-text.ts';
import { embedLong, roomOf, tokenCounter } from './embed-long.ts';

/** Files read at once, and bytes of the largest: a file is in memory while it is read. */
const MAX_FILES = 2;
const MAX_BYTES = 64 * 1024 * 1024;
/** Pieces of one file. */
const MAX_CHUNKS = 50_000;
/** Pieces that the model is given at once. */
const GROUP = 16;
const RETRY_MS = 500;

export interface IngestOptions {
  readonly gate: LowPriorityGate;
  readonly lifecycle: Lifecycle;
  readonly models: EmbeddingProvider;
  readonly onError: (error: unknown) => void;
}

/** What a file came to. */
interface ReadFile {
  readonly chunks: readonly NewChunk[];
  readonly sizes: ChunkSizes;
}

export class IngestRunner {
  readonly #queue: IngestQueue;
  readonly #options: IngestOptions;
  readonly #jobs: ClaimedJobs<ClaimedFile, number>;

  /** Goes on with what is not done, from now on. */
  constructor(queue: IngestQueue, options: IngestOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#jobs = new ClaimedJobs({
      most: () => MAX_FILES,
      keyOf: ({ sequence }) => sequence,
      claim: (seconds, except) => queue.claim(seconds, except),
      renew: ({ sequence }, seconds) => queue.renew(sequence, seconds),
      run: (file, stop) => this.#run(file, stop.signal),
      onError: options.onError,
    });
  }

  wake(): void {
    this.#jobs.wake();
  }

  stop(): Promise<void> {
    return this.#jobs.stop();
  }

  async #run(file: ClaimedFile, signal: AbortSignal): Promise<void> {
    try {
      const { chunks, sizes } = await this.#read(file, signal);
      await this.#queue.finish(file.sequence, chunks, toStatic(sizes));
    } catch (error) {
      if (signal.aborted) return this.#queue.release(file.sequence);
      const known = error instanceof ExtractError;
      if (!known) this.#options.onError(error);
      await this.#queue.fail(file.sequence, {
        code: known ? error.code : 'server_error',
        message: known ? error.message : 'The server failed on this file; its log says why.',
      });
    }
  }

  async #read(file: ClaimedFile, signal: AbortSignal): Promise<ReadFile> {
    if (file.bytes > MAX_BYTES)
      throw new ExtractError(
        'invalid_file',
        `The file has ${file.bytes} bytes, expected at most ${MAX_BYTES}.`,
      );
    const lease = await this.#model(file.model, signal);
    try {
      return await this.#vectorsOf(file, lease.model, signal);
    } finally {
      lease.release();
    }
  }

  async #vectorsOf(file: ClaimedFile, model: EmbeddingModel, signal: AbortSignal): Promise<ReadFile> {
    const content = await buffer(await this.#queue.content(file.digest));
    const text = await extractText(content, file.filename, signal);
    const sizes = chunkingFor(file, model);
    const texts = chunkText(text, sizes, tokenCounter(model));
    if (texts.length === 0) throw new ExtractError('invalid_file', 'The file has no text.');
    if (texts.length > MAX_CHUNKS)
      throw new ExtractError(
        'invalid_file',
        `The file's text makes more than ${MAX_CHUNKS} pieces. Split it.`,
      );
    const chunks: NewChunk[] = [];
    for (let at = 0; at < texts.length; at += GROUP) {
      const group = texts.slice(at, at + GROUP);
      const vectors = await this.#embed(model, group, signal);
      group.forEach((piece, i) => chunks.push({ text: piece, vector: vectors[i]! }));
    }
    return { chunks, sizes };
  }

  async #model(name: string, signal: AbortSignal): Promise<Lease<EmbeddingModel>> {
    const { models } = this.#options;
    if (findNamed(await models.list(), name, (info) => info.name))
      return acquireModel(models, name, { signal });
    throw new ExtractError(
      'server_error',
      `The model '${name}', which makes the vectors of this store, is not served now. Serve it, and add the file again.`,
    );
  }

  async #embed(
    model: EmbeddingModel,
    texts: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly Float32Array[]> {
    for (;;) {
      const leave = await this.#options.gate.enter(signal);
      signal.throwIfAborted();
      try {
        const left = this.#options.lifecycle.enter();
        try {
          return await embedLong(model, texts, signal);
        } finally {
          left();
        }
      } catch (error) {
        // A server that takes no more now may take more soon.
        if (!(error instanceof ApiError)) throw error;
        await sleep(RETRY_MS, undefined, { signal });
      } finally {
        leave!();
      }
    }
  }
}

/** As files show it. */
function toStatic({ maxTokens, overlapTokens }: ChunkSizes) {
  return {
    type: 'static',
    static: { max_chunk_size_tokens: maxTokens, chunk_overlap_tokens: overlapTokens },
  };
}

/** What `auto` stands for: as OpenAI has it, but pieces are not longer than what the model reads at once. */
function chunkingFor({ chunking }: ClaimedFile, model: EmbeddingModel): ChunkSizes {
  const asked = chunking as unknown as Chunking;
  if (asked.type === 'static') {
    const { max_chunk_size_tokens: maxTokens, chunk_overlap_tokens: overlapTokens } = asked.static;
    return { maxTokens, overlapTokens };
  }
  const maxTokens = Math.min(800, roomOf(model));
  return { maxTokens, overlapTokens: Math.floor(maxTokens / 2) };
}
