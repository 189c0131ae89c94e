/** Steps of the file of make-onnx.mjs in onnxruntime-web, in Node and in browsers: milliseconds of a prefill, of decoding. */

const LAYERS = 30;
const KV_HEADS = 3;
const DIM = 64;
const VOCABULARY = 30000;

const token = (i) => BigInt((i * 7919 + 13) % VOCABULARY);

/** `model`: path or bytes. */
export async function onnxSteps(ort, model, threads) {
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
  });
  const names = Array.from({ length: LAYERS }, (_, i) => [`${i}.key`, `${i}.value`]).flat();
  const empty = () => new ort.Tensor('float32', new Float32Array(0), [1, KV_HEADS, 0, DIM]);
  let cache = new Map(names.map((name) => [name, empty()]));

  async function step(at, count) {
    const tokens = BigInt64Array.from({ length: count }, (_, i) => token(at + i));
    const total = at + count;
    const results = await session.run({
      input_ids: new ort.Tensor('int64', tokens, [1, count]),
      attention_mask: new ort.Tensor('int64', new BigInt64Array(total).fill(1n), [1, total]),
      ...Object.fromEntries(names.map((name) => [`past_key_values.${name}`, cache.get(name)])),
    });
    cache = new Map(names.map((name) => [name, results[`present.${name}`]]));
    if (!results.logits.data.every(Number.isFinite)) throw new Error('onnxruntime: logits are not finite');
  }

  let filled = 0;
  async function prefill(count) {
    cache = new Map(names.map((name) => [name, empty()]));
    const start = performance.now();
    await step(0, count);
    filled = count;
    return performance.now() - start;
  }
  async function decode(at, count) {
    if (filled !== at) await prefill(at);
    filled = 0;
    const start = performance.now();
    for (let i = at; i < at + count; i++) await step(i, 1);
    return performance.now() - start;
  }
  return { prefill, decode };
}
