/** llama.cpp through node-llama-cpp, as a system whose logits can be read after every token. */

/** Resolves to undefined when the peer is not installed. */
export async function openLlamaCpp(path, contextLength) {
  const peer = await import('node-llama-cpp').catch(() => undefined);
  if (!peer) return undefined;
  const llama = await peer.getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: contextLength + 8, batchSize: 512 });
  const sequence = context.getSequence();
  return {
    vocab: model.fileInsights?.vocabSize,
    /** Forgets what was evaluated. */
    reset: () => sequence.clearHistory(),
    /** The likeliest token after each of `tokens`. */
    async choose(tokens) {
      const chosen = new Array(tokens.length);
      await sequence.controlledEvaluate(
        tokens.map((token) => [token, { generateNext: { token: true, options: { temperature: 0 } } }]),
        { onTokenResult: (i, result) => (chosen[i] = result.next.token) },
      );
      return chosen;
    },
    /** Rows of logits after each of `tokens`, or after those at `wanted` only: a row takes the peer's wrapper long. */
    async evaluate(tokens, _start, wanted = tokens.map((_, i) => i)) {
      const places = new Set(wanted);
      const rows = new Array(tokens.length);
      await sequence.controlledEvaluate(
        tokens.map((token, i) => (places.has(i) ? [token, { generateNext: { logits: true } }] : token)),
        {
          onTokenResult(i, result) {
            const ids = result.next.logits;
            if (!ids) return;
            let size = 0;
            for (const id of ids.keys()) if (id >= size) size = id + 1;
            const row = new Float32Array(size).fill(-Infinity);
            for (const [id, logit] of ids) row[id] = logit;
            rows[i] = row;
            result.next.logits = undefined;
          },
        },
      );
      return wanted.map((i) => rows[i]);
    },
  };
}
