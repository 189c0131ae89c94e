/** An instance of the WebAssembly kernels: its exports as typed calls. One instance of a memory calls, others help it. */

/** Bytes in the module's memory. */
export interface Span {
  readonly address: number;
  readonly bytes: number;
}

interface Exports {
  readonly __stack_pointer: WebAssembly.Global;
  _initialize(): void;
  allocate(bytes: number): number;
  allocateWeight(bytes: number, dtype: number, rows: number, columns: number): number;
  isPacked(address: number): number;
  free(address: number): void;
  problem(): number;
  problemLength(): number;
  compile(
    tape: number,
    words: number,
    weights: number,
    weightCount: number,
    states: number,
    stateCount: number,
    limits: number,
    symbols: number,
    threads: number,
    integerActivations: number,
    poison: number,
  ): number;
  release(executable: number): void;
  temporaryBytes(executable: number): number;
  arena(executable: number): number;
  run(executable: number, dims: number, symbols: number, inputs: number, inputCount: number): number;
  help(thread: number): never;
}

/** Parts of a call, packed into one allocation at multiples of this. */
const PART_ALIGNMENT = 16;
/** WASI's code for a function that does not exist; the kernels only carry the C library's stubs. */
const ENOSYS = 52;

/** A weight that is a matrix; `dtype` is the format's number. */
export interface MatrixType {
  readonly dtype: number;
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

  /**
   * Instantiates on the calling thread; pages forbid this on their main thread for modules of this size. With the top of
   * a stack: as a helper, of the instance that allocated it.
   */
  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, stackTop?: number) {
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      (imports[from] ??= {})[name] = kind === 'memory' ? memory : () => ENOSYS;
    }
    this.#memory = memory;
    this.#exports = new WebAssembly.Instance(module, imports).exports as unknown as Exports;
    if (stackTop === undefined) this.#exports._initialize();
    else this.#exports.__stack_pointer.value = stackTop;
  }

  /** Takes part in the runs of the instance that calls, as thread 1 and up; never returns. */
  help(thread: number): never {
    return this.#exports.help(thread);
  }

  /** Zero-filled; undefined when there is no room. */
  allocate(bytes: number): number | undefined {
    const address = this.#exports.allocate(Math.max(1, bytes)) >>> 0;
    return address === 0 ? undefined : address;
  }

  /** The same with room for the layout that the kernels like best, which compiling may turn the matrix into. */
  allocateWeight(bytes: number, { dtype, rows, columns }: MatrixType): number | undefined {
    const address = this.#exports.allocateWeight(Math.max(1, bytes), dtype, rows, columns) >>> 0;
    return address === 0 ? undefined : address;
  }

  /** Whether compiling has changed the layout of a weight. */
  isPacked(address: number): boolean {
    return this.#exports.isPacked(address) !== 0;
  }

  free(address: number): void {
    this.#exports.free(address);
  }

  /** A view that is valid until the next call: memory moves when it grows. */
  view({ address, bytes }: Span): Uint8Array {
    return new Uint8Array(this.#memory.buffer, address, bytes);
  }

  /** The executable's number. @throws Error with what the kernels say of the tape */
  compile({ tape, weights, states, limits, threads, integers, poison }: CompileCall): number {
    return this.#withParts([tape, spanWords(weights), spanWords(states), limits], (...spans) => {
      const [t, w, s, l] = spans as unknown as readonly [Span, Span, Span, Span];
      const executable = this.#exports.compile(
        t.address,
        tape.length,
        w.address,
        weights.length,
        s.address,
        states.length,
        l.address,
        limits.length,
        threads,
        Number(integers),
        Number(poison),
      );
      if (executable === 0) throw new Error(this.#problem());
      return executable >>> 0;
    });
  }

  /** @throws Error with what the kernels say of dims and inputs */
  run(executable: number, dims: Int32Array, inputs: readonly (Int32Array | Float32Array)[]): void {
    this.#withParts([dims, ...inputs], (bound, ...data) => {
      this.#withParts([spanWords(data)], (spans) => {
        const ran = this.#exports.run(executable, bound.address, dims.length, spans.address, data.length);
        if (!ran) throw new Error(this.#problem());
      });
    });
  }

  temporaryBytes(executable: number): number {
    return this.#exports.temporaryBytes(executable) >>> 0;
  }

  /** Copies `length` floats from byte `offset` of the temporaries. */
  readArena(executable: number, offset: number, length: number): Float32Array {
    const address = (this.#exports.arena(executable) >>> 0) + offset;
    // A copy in memory that is not shared.
    return Float32Array.from(new Float32Array(this.#memory.buffer, address, length));
  }

  release(executable: number): void {
    this.#exports.release(executable);
  }

  #problem(): string {
    const address = this.#exports.problem() >>> 0;
    return new TextDecoder().decode(this.view({ address, bytes: this.#exports.problemLength() }).slice());
  }

  /** Copies arrays into memory for the time of a call. */
  #withParts<T>(parts: readonly (Int32Array | Float32Array)[], use: (first: Span, ...more: Span[]) => T): T {
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

function spanWords(spans: readonly Span[]): Int32Array {
  return Int32Array.from(spans.flatMap(({ address, bytes }) => [address | 0, bytes | 0]));
}
