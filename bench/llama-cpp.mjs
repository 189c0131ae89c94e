/** llama.cpp through node-llama-cpp, as a system whose logits can be read after every token. */

/**
 * Resolves to undefined when the peer is not installed. Its threads spin: on a busy machine one is the fastest.
 * `cache`: what its cache holds, f16 or q8_0. With `exact` that is float32, and flash attention, which rounds to halves
 * whatever the cache holds, is off.
 */
export async function openLlamaCpp(path, contextLength, { threads, exact, cache } = {}) {
  const peer = await import('node-llama-cpp').catch(() => undefined);
  if (!peer) return undefined;
  const llama = await peer.getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: contextLength + 8,
    batchSize: 512,
    ...(threads && { threads }),
    ...(cache && {
      experimentalKvCacheKeyType: cache.toUpperCase(),
      experimentalKvCacheValueType: cache.toUpperCase(),
    }),
    ...(exact && {
      flashAttention: false,
      experimentalKvCacheKeyType: 'F32',
      experimentalKvCacheValueType: 'F32',
    }),
  });
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
    /** By how much token `a` is likelier than `b` after `tokens[at]`, in logits, for each of `pairs`. */
    async gaps(tokens, pairs) {
      const gaps = new Array(pairs.length);
      const places = new Map(pairs.map((pair, n) => [pair.at, { ...pair, n }]));
      const wanted = ({ a, b }) => ({ generateNext: { logits: { filter: { tokens: [a, b] } } } });
      await sequence.controlledEvaluate(
        tokens.map((token, i) => (places.has(i) ? [token, wanted(places.get(i))] : token)),
        {
          onTokenResult(i, result) {
            const pair = places.get(i);
            if (!pair) return;
            const { logits } = result.next;
            gaps[pair.n] = logits.get(pair.a) - logits.get(pair.b);
          },
        },
      );
      // Without this a version that gives no logits would make every difference look like a tie.
      if (!gaps.every(Number.isFinite))
        throw new Error('this version of node-llama-cpp gives no logits of single tokens');
      return gaps;
    },
    /** Rows of logits after each of `tokens`. */
    async evaluate(tokens) {
      const rows = new Array(tokens.length);
      await sequence.controlledEvaluate(
        tokens.map((token) => [token, { generateNext: { logits: true } }]),
        {
          onTokenResult(i, result) {
            const ids = result.next.logits;
            let size = 0;
            for (const id of ids.keys()) if (id >= size) size = id + 1;
            const row = new Float32Array(size).fill(-Infinity);
            for (const [id, logit] of ids) row[id] = logit;
            rows[i] = row;
            result.next.logits = undefined;
          },
        },
      );
      return rows;
    },
  };
}
