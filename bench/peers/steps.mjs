/** Steps of a loaded model without the engine: milliseconds of a prefill, of decoding, of streams. In Node and in browsers. */

import { stateTensors } from '../../packages/models/dist/index.js';

/** Tokens of a page. */
export const PAGE = 32;
const CHUNK = 512;
const STREAMS = 64;
/** `length`: tokens that the cache has room for; `loading`: what the model was loaded with. */
export async function createSteps(backend, model, length, loading) {
  const pages = Math.ceil(length / PAGE) + STREAMS;
  const executable = await backend.compile(model.graph, {
    weights: new Map([...model.weights].map(([name, data]) => [name, backend.loadWeight(data)])),
    states: new Map(
      stateTensors(model, { ...loading, pages, slots: STREAMS }).map(({ name, dtype, shape }) => [
        name,
        backend.allocateState(dtype, shape),
      ]),
    ),
    limits: { T: CHUNK, S: STREAMS, P: pages, V: STREAMS, N: pages, R: STREAMS },
  });
  const usable = Math.min(30000, model.config.vocabSize);
  const token = (i) => (i * 7919 + 13) % usable;

  /** One step: positions from `at` on, `count` of each of `streams` sequences that hold `room` pages each. */
  async function step(at, count, streams, room, wanted) {
    const index = (f) =>
      Int32Array.from({ length: count * streams }, (_, i) => f(at + (i % count), Math.floor(i / count)));
    await executable.run({
      dims: { T: count * streams, S: streams, P: room, V: wanted.length, N: pages, R: STREAMS },
      inputs: {
        tokens: index((position, sequence) => token(position + sequence)),
        positions: index((position) => position),
        sequences: index((_, sequence) => sequence),
        slots: index(
          (position, sequence) => (sequence * room + Math.floor(position / PAGE)) * PAGE + (position % PAGE),
        ),
        pages: Int32Array.from({ length: streams * room }, (_, i) => i),
        rows: Int32Array.from(wanted),
        stateSlots: Int32Array.from({ length: streams }, (_, i) => i),
      },
    });
  }

  let filled = 0;
  async function prefill(count) {
    const start = performance.now();
    for (let at = 0; at < count; at += CHUNK) {
      const size = Math.min(CHUNK, count - at);
      await step(at, size, 1, Math.ceil((at + size) / PAGE), [size - 1]);
    }
    filled = count;
    return performance.now() - start;
  }

  async function decode(at, count) {
    if (filled !== at) await prefill(at);
    const start = performance.now();
    for (let i = at; i < at + count; i++) await step(i, 1, 1, Math.ceil((i + 1) / PAGE), [0]);
    return performance.now() - start;
  }

  async function streams(sequences, at, count) {
    const room = Math.ceil((at + count) / PAGE);
    const most = Math.floor(CHUNK / sequences);
    for (let i = 0; i < at; i += most) {
      await step(i, Math.min(most, at - i), sequences, room, [0]);
    }
    filled = 0;
    const wanted = Array.from({ length: sequences }, (_, i) => i);
    const start = performance.now();
    for (let i = at; i < at + count; i++) await step(i, 1, sequences, room, wanted);
    return performance.now() - start;
  }

  return { prefill, decode, streams };
}
