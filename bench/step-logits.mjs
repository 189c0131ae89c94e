/** Logits after every token of a text, by one of our backends, without the engine in between. */

import { loadModel, stateTensors } from '../packages/models/dist/index.js';

const PAGE = 32;

/**
 * A system with `evaluate(tokens, start)`: feeds tokens at positions start.. and resolves to one row of logits
 * per token. Chunks must come in order and be at most `chunk` long.
 */
export async function logitsOf(file, backend, kvDType, contextLength, chunk) {
  const model = loadModel(file, { pageSize: PAGE, kvDType: kvDType ?? backend.stateDTypes[0] });
  const pages = Math.ceil(contextLength / PAGE);
  const weights = new Map([...model.weights].map(([name, data]) => [name, backend.loadWeight(data)]));
  const states = new Map(
    stateTensors(model, { pages, pageSize: PAGE, kvDType: kvDType ?? backend.stateDTypes[0], slots: 1 }).map(
      ({ name, dtype, shape }) => [name, backend.allocateState(dtype, shape)],
    ),
  );
  const limits = { T: chunk, S: 1, P: pages, V: chunk, N: pages, R: 1 };
  const executable = await backend.compile(model.graph, { weights, states, limits });
  const { vocabSize } = model.config;
  return {
    model,
    async evaluate(tokens, start, wanted = tokens.map((_, i) => i)) {
      const positions = Int32Array.from(tokens, (_, i) => start + i);
      const { logits } = await executable.run({
        dims: { T: tokens.length, S: 1, P: pages, V: wanted.length, N: pages, R: 1 },
        inputs: {
          tokens: Int32Array.from(tokens),
          positions,
          sequences: new Int32Array(tokens.length),
          slots: positions,
          pages: Int32Array.from({ length: pages }, (_, i) => i),
          rows: Int32Array.from(wanted),
          stateSlots: Int32Array.of(0),
        },
      });
      return wanted.map((_, i) => logits.subarray(i * vocabSize, (i + 1) * vocabSize));
    },
  };
}
