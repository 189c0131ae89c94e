/**
 * Runs a loaded model step by step over a paged cache: what the engine does, without its scheduling. Pages are
 * small and handed out in an order that is neither dense nor rising, so that a wrong page table shows; so are slots of
 * recurrent states, which hold something else before a sequence begins.
 */

import { elementCount, type Backend, type DeviceTensor, type DType, type Executable } from '@steelyard/graph';
import { stateTensors, type LoadedModel } from '@steelyard/models';

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
    const slots = sequences + 1;
    const states = new Map<string, DeviceTensor>();
    for (const wanted of stateTensors(model, { pages, pageSize, kvDType: dtype, slots })) {
      const state = backend.allocateState(wanted.dtype, wanted.shape);
      if (model.recurrent.some(({ name }) => name === wanted.name))
        await state.write(new Uint8Array(elementCount(wanted.shape) * 4).fill(0x40));
      states.set(wanted.name, state);
    }
    const tokens = sequences * length;
    const limits = { T: tokens, S: sequences, P: perSequence, V: tokens, N: pages, R: slots };
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
      dims: {
        T: flat.length,
        S: parts.length,
        P: width,
        V: flat.length,
        N: this.#pages,
        R: this.#capacity.sequences + 1,
      },
      inputs: {
        tokens: column((t) => t.token),
        positions: column((t) => t.position),
        sequences: column((t) => t.row),
        slots: column((t) => t.slot),
        pages: Int32Array.from(pages),
        rows: column((_, i) => i),
        stateSlots: Int32Array.from(parts, ({ sequence }) => this.#capacity.sequences - sequence),
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
