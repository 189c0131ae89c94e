/**
 * A backend that runs nothing: it writes what it is asked to run as words, with the results that are expected, for
 * test/native/run-cases.cc to run where there is no Node.
 */

import { planGraph, type PlannedGraph } from '../src/planned-graph.ts';
import {
  bindShape,
  byteLength,
  elementCount,
  type Backend,
  type CompileOptions,
  type DeviceTensor,
  type DType,
  type RunRequest,
  type RunResult,
  type Value,
} from '@steelyard/graph';

/** Numbers of results' places; run-cases.cc has the same. */
const Place = { floats: 0, integers: 1, halfState: 2, floatState: 3, byteState: 4 } as const;

export interface Expected {
  readonly name: string;
  /** By result of the op. */
  readonly results: readonly Float32Array[];
  readonly bound: number;
  /** First element of the last whole case's first result whose bits this one's must be; absent in a whole case. */
  readonly sameFrom?: number;
  /** Where a state in blocks has each element of the result: bytes of its code and its scale. */
  readonly places?: Int32Array;
}

class RecordedTensor implements DeviceTensor {
  readonly residentBytes = 0;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;

  constructor(dtype: DType, shape: readonly number[], bytes?: Uint8Array) {
    this.dtype = dtype;
    this.shape = shape;
    this.bytes = bytes ?? new Uint8Array(byteLength(dtype, elementCount(shape)));
  }
  read(): Promise<Uint8Array> {
    return Promise.resolve(this.bytes);
  }
  write(bytes: Uint8Array, offset = 0): Promise<void> {
    this.bytes.set(bytes, offset);
    return Promise.resolve();
  }
  dispose(): void {
    // Memory of JavaScript.
  }
}

function bytesAsWords(bytes: Uint8Array): Int32Array {
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return new Int32Array(padded.buffer);
}

function floatsAsWords(values: Float32Array): Int32Array {
  return new Int32Array(values.slice().buffer);
}

function statePlace(dtype: DType | undefined): number {
  if (dtype === 'q8_0') return Place.byteState;
  return dtype === 'f16' ? Place.halfState : Place.floatState;
}

export class CaseRecorder {
  readonly #parts: Int32Array[] = [];
  /** What the next run should give. */
  expected: Expected | undefined;

  /** All cases recorded so far. */
  bytes(): Uint8Array {
    return Buffer.concat(this.#parts.map((part) => new Uint8Array(part.buffer)));
  }

  /** Records runs with activations as integers, or as floats. */
  backend(integers: boolean): Backend {
    return {
      name: 'recorder',
      description: 'records cases',
      stateDTypes: ['f16', 'f32', 'q8_0'],
      loadWeight: (data) => new RecordedTensor(data.dtype, data.shape, data.bytes()),
      allocateState: (dtype, shape) => new RecordedTensor(dtype, shape),
      compile: (graph, options) => {
        const planned = planGraph(graph, options.limits, integers ? 'mixed' : 'f32');
        return Promise.resolve({
          temporaryBytes: 0,
          run: (request) => Promise.resolve(this.#record(planned, options, request, integers)),
          dispose: () => undefined,
        });
      },
      dispose: () => undefined,
    };
  }

  #record(planned: PlannedGraph, options: CompileOptions, request: RunRequest, integers: boolean): RunResult {
    const { tape, outputs } = planned;
    const expected = this.expected as Expected;
    const stored = (value: Value, from: ReadonlyMap<string, DeviceTensor>): Int32Array =>
      bytesAsWords(value.data ? value.data.bytes() : (from.get(value.name) as RecordedTensor).bytes);
    this.#list(Int32Array.from(expected.name, (letter) => letter.codePointAt(0) ?? 0));
    this.#list(tape.words);
    this.#list(Int32Array.from(tape.symbols, (name) => request.dims[name] as number));
    this.#lists(tape.weights.map((value) => stored(value, options.weights)));
    this.#lists(tape.states.map((value) => stored(value, options.states)));
    this.#lists(
      tape.inputs.map(({ name }) => new Int32Array((request.inputs[name] as Float32Array).slice().buffer)),
    );
    const bound = floatsAsWords(Float32Array.of(expected.bound))[0] as number;
    this.#words(integers ? 1 : 0, bound, expected.sameFrom ?? -1, expected.results.length);
    expected.results.forEach((wanted, i) => {
      const output = outputs.find(({ name }) => name === `${i}`);
      if (output) this.#words(output.value.dtype === 'i32' ? Place.integers : Place.floats, output.offset);
      // Results that are no outputs are states; no op has two.
      else this.#words(statePlace(tape.states[0]?.dtype), 0);
      this.#list(floatsAsWords(wanted));
      if (!output && expected.places) this.#list(expected.places);
    });
    return Object.fromEntries(
      outputs.map(({ name, value }) => [
        name,
        new Float32Array(elementCount(bindShape(value.shape, request.dims))),
      ]),
    );
  }

  #words(...words: number[]): void {
    this.#parts.push(Int32Array.from(words));
  }
  #list(words: Int32Array): void {
    this.#words(words.length);
    this.#parts.push(words.slice());
  }
  #lists(lists: readonly Int32Array[]): void {
    this.#words(lists.length);
    for (const list of lists) this.#list(list);
  }
}
