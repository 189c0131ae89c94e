/**
 * Runs a loaded model step by step over a paged cache: what the engine does, without its scheduling. Pages are
 * small and handed out in an order that is neither dense nor rising, so that a wrong page table shows.
 */

import type { Backend, DeviceTensor, DType, Executable } from '@steelyard/graph';
import type { LoadedModel } from '@steelyard/models';

export interface Capacity {
  readonly pageSize: number;
  /** Sequences that may be in the cache. */
  readonly sequences: number;
  /** Tokens of the longest. */
  readonly length: number;
}

/** Tokens of one sequence in one step; results are wanted of all of them. */
export interface StepPart {
  readonly sequence: number;
  readonly start: number;
  readonly tokens: readonly number[];
}

export class PagedRunner {
  readonly #executable: Executable;
  readonly #tensors: readonly DeviceTensor[];
  readonly #capacity: Capacity;
  readonly #pages: number;
  readonly #output: string;

  private constructor(
    executable: Executable,
    tensors: DeviceTensor[],
    capacity: Capacity,
    pages: number,
    output: string,
  ) {
    this.#output = output;
    this.#executable = executable;
    this.#tensors = tensors;
    this.#capacity = capacity;
    this.#pages = pages;
  }

  static async create(
    backend: Backend,
    model: LoadedModel,
    dtype: DType,
    capacity: Capacity,
  ): Promise<PagedRunner> {
    const { pageSize, sequences, length } = capacity;
    const perSequence = Math.ceil(length / pageSize);
    const pages = sequences * perSequence + 1;
    const weights = new Map([...model.weights].map(([name, data]) => [name, backend.loadWeight(data)]));
    const states = new Map(
      model.kv.states.map(({ name, heads, dim }) => [
        name,
        backend.allocateState(dtype, [pages, heads, pageSize, dim]),
      ]),
    );
    const tokens = sequences * length;
    const limits = { T: tokens, S: sequences, P: perSequence, V: tokens, N: pages };
    const executable = await backend.compile(model.graph, { weights, states, limits });
    const output = Object.keys(model.graph.outputs)[0] as string;
    return new PagedRunner(executable, [...weights.values(), ...states.values()], capacity, pages, output);
  }

  /** Logits or hidden states [tokens of all parts, width], in order. */
  async step(parts: readonly StepPart[]): Promise<Float32Array> {
    const { pageSize } = this.#capacity;
    const longest = Math.max(...parts.map(({ start, tokens }) => start + tokens.length));
    const width = Math.ceil(longest / pageSize);
    const flat = parts.flatMap(({ sequence, start, tokens }, row) =>
      tokens.map((token, i) => {
        const position = start + i;
        const slot = this.#page(sequence, Math.floor(position / pageSize)) * pageSize + (position % pageSize);
        return { token, position, row, slot };
      }),
    );
    const pages = parts.flatMap(({ sequence }) =>
      Array.from({ length: width }, (_, i) => this.#page(sequence, i)),
    );
    const column = (pick: (t: (typeof flat)[number], i: number) => number): Int32Array =>
      Int32Array.from(flat, pick);
    const result = await this.#executable.run({
      dims: { T: flat.length, S: parts.length, P: width, V: flat.length, N: this.#pages },
      inputs: {
        tokens: column((t) => t.token),
        positions: column((t) => t.position),
        sequences: column((t) => t.row),
        slots: column((t) => t.slot),
        pages: Int32Array.from(pages),
        rows: column((_, i) => i),
      },
    });
    return (result[this.#output] as Float32Array).slice();
  }

  dispose(): void {
    this.#executable.dispose();
    for (const tensor of this.#tensors) tensor.dispose();
  }

  /** Page `i` of a sequence; sequences interleave, and order falls. Page 0 stays unused. */
  #page(sequence: number, i: number): number {
    return this.#pages - 1 - (i * this.#capacity.sequences + sequence);
  }
}
