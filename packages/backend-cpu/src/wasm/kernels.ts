/** An instance of the WebAssembly kernels: its exports as typed calls. One instance of a memory calls, others help it. */

import { hasWideAddresses } from './kernel-memory.ts';

/** Bytes in the module's memory. */
export interface Span {
  readonly address: number;
  readonly bytes: number;
}

/** An address or a size as the module takes it: a bigint where addresses have 64 bits. */
type Word = number | bigint;

interface Exports {
  readonly __stack_pointer: WebAssembly.Global<'i32' | 'i64'>;
  _initialize(): void;
  allocate(bytes: Word): Word;
  allocateWeight(bytes: Word, dtype: number, matrices: number, rows: number, columns: number): Word;
  isPacked(address: Word): number;
  free(address: Word): void;
  problem(): Word;
  problemLength(): Word;
  compile(
    tape: Word,
    words: Word,
    weights: Word,
    weightCount: Word,
    states: Word,
    stateCount: Word,
    limits: Word,
    symbols: Word,
    threads: number,
    integerActivations: number,
    poison: number,
  ): Word;
  release(executable: Word): void;
  temporaryBytes(executable: Word): Word;
  arena(executable: Word): Word;
  run(executable: Word, dims: Word, symbols: Word, inputs: Word, inputCount: Word): number;
  help(thread: number): never;
}

/** Parts of a call, packed into one allocation at multiples of this. */
const PART_ALIGNMENT = 16;

/** A weight that is a matrix, or several of one size; `dtype` is the format's number. */
export interface MatrixType {
  readonly dtype: number;
  readonly matrices: number;
  readonly rows: number;
  readonly columns: number;
}

export interface CompileCall {
  readonly tape: Int32Array;
  readonly weights: readonly Span[];
  readonly states: readonly Span[];
  /** By symbol number. */
  readonly limits: Int32Array;
  readonly threads: number;
  readonly integers: boolean;
  readonly poison: boolean;
}

export class WasmKernels {
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Exports;
  readonly #wide: boolean;

  /**
   * Instantiates on the calling thread; pages forbid this on their main thread for modules of this size. With the top of
   * a stack: as a helper, of the instance that allocated it.
   */
  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, stackTop?: number) {
    this.#memory = memory;
    this.#wide = hasWideAddresses(module);
    this.#exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
    if (stackTop === undefined) this.#exports._initialize();
    else this.#exports.__stack_pointer.value = this.#word(stackTop);
  }

  #word(value: number): Word {
    return this.#wide ? BigInt(value) : value;
  }

  /** Takes part in the runs of the instance that calls, as thread 1 and up; never returns. */
  help(thread: number): never {
    return this.#exports.help(thread);
  }

  /** Zero-filled; undefined when there is no room. */
  allocate(bytes: number): number | undefined {
    return addressed(this.#exports.allocate(this.#word(Math.max(1, bytes))));
  }

  /** The same with room for the layout that the kernels like best, which compiling may turn the matrix into. */
  allocateWeight(bytes: number, { dtype, matrices, rows, columns }: MatrixType): number | undefined {
    const size = this.#word(Math.max(1, bytes));
    return addressed(this.#exports.allocateWeight(size, dtype, matrices, rows, columns));
  }

  /** Whether compiling has changed the layout of a weight. */
  isPacked(address: number): boolean {
    return this.#exports.isPacked(this.#word(address)) !== 0;
  }

  free(address: number): void {
    this.#exports.free(this.#word(address));
  }

  /** A view that is valid until the next call: memory moves when it grows. */
  view({ address, bytes }: Span): Uint8Array {
    return new Uint8Array(this.#memory.buffer, address, bytes);
  }

  /** The executable's number. @throws Error with what the kernels say of the tape */
  compile({ tape, weights, states, limits, threads, integers, poison }: CompileCall): number {
    return this.#withParts([tape, this.#spans(weights), this.#spans(states), limits], (...spans) => {
      const [t, w, s, l] = spans as unknown as readonly [Span, Span, Span, Span];
      const executable = this.#exports.compile(
        this.#word(t.address),
        this.#word(tape.length),
        this.#word(w.address),
        this.#word(weights.length),
        this.#word(s.address),
        this.#word(states.length),
        this.#word(l.address),
        this.#word(limits.length),
        threads,
        Number(integers),
        Number(poison),
      );
      const address = addressed(executable);
      if (address === undefined) throw new Error(this.#problem());
      return address;
    });
  }

  /** @throws Error with what the kernels say of dims and inputs */
  run(executable: number, dims: Int32Array, inputs: readonly (Int32Array | Float32Array)[]): void {
    this.#withParts([dims, ...inputs], (bound, ...data) => {
      this.#withParts([this.#spans(data)], (spans) => {
        const ran = this.#exports.run(
          this.#word(executable),
          this.#word(bound.address),
          this.#word(dims.length),
          this.#word(spans.address),
          this.#word(data.length),
        );
        if (!ran) throw new Error(this.#problem());
      });
    });
  }

  temporaryBytes(executable: number): number {
    return unsigned(this.#exports.temporaryBytes(this.#word(executable)));
  }

  /** Copies `length` floats from byte `offset` of the temporaries. */
  readArena(executable: number, offset: number, length: number): Float32Array {
    const address = unsigned(this.#exports.arena(this.#word(executable))) + offset;
    // A copy in memory that is not shared.
    return Float32Array.from(new Float32Array(this.#memory.buffer, address, length));
  }

  release(executable: number): void {
    this.#exports.release(this.#word(executable));
  }

  /** As the module reads them: an address and a size each. */
  #spans(spans: readonly Span[]): Uint32Array | BigUint64Array {
    const numbers = spans.flatMap(({ address, bytes }) => [address, bytes]);
    return this.#wide ? BigUint64Array.from(numbers, BigInt) : Uint32Array.from(numbers);
  }

  #problem(): string {
    const span = {
      address: unsigned(this.#exports.problem()),
      bytes: unsigned(this.#exports.problemLength()),
    };
    return new TextDecoder().decode(this.view(span).slice());
  }

  /** Copies arrays into memory for the time of a call. */
  #withParts<T>(
    parts: readonly (Int32Array | Uint32Array | BigUint64Array | Float32Array)[],
    use: (first: Span, ...more: Span[]) => T,
  ): T {
    let total = 0;
    const places = parts.map(({ byteLength }) => {
      const offset = total;
      total += Math.ceil(byteLength / PART_ALIGNMENT) * PART_ALIGNMENT;
      return offset;
    });
    const base = this.allocate(total);
    if (base === undefined) throw new Error(`cannot allocate ${total} bytes for a call's arguments`);
    try {
      const spans = parts.map((part, i) => ({ address: base + (places[i] ?? 0), bytes: part.byteLength }));
      parts.forEach((part, i) => {
        const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
        this.view(spans[i] as Span).set(bytes);
      });
      return use(...(spans as [Span, ...Span[]]));
    } finally {
      this.free(base);
    }
  }
}

/** What the module gives, as a number: below 2^53 in any case. */
function unsigned(word: Word): number {
  return typeof word === 'bigint' ? Number(word) : word >>> 0;
}

function addressed(word: Word): number | undefined {
  return unsigned(word) || undefined;
}
