/** The page's part of bench/wasm.mjs, in a worker: ours, wllama, onnxruntime-web and transformers.js, in turns. */

import { createBrowserWasmBackend } from '@steelyard/backend-cpu/browser';
import { openModelUrl } from '@steelyard/formats/browser';
import { loadModel } from '@steelyard/models';
import { onnxSteps } from '../peers/onnx-steps.mjs';
import { createSteps, PAGE } from '../peers/steps.mjs';
import { transformersSteps } from '../peers/transformers-steps.mjs';

/** A module as the site serves it, not part of the bundle. */
const served = (path) => import(/* @vite-ignore */ new URL(path, location.origin).href);
const report = (body) => fetch('/report', { method: 'POST', body: JSON.stringify(body) });

async function ours(plan) {
  const backend = await createBrowserWasmBackend({ kernels: '/kernels/', threads: plan.threads });
  const file = await openModelUrl(`/models/${plan.gguf}`);
  const loading = { pageSize: PAGE, kvDType: 'f16' };
  const steps = await createSteps(backend, loadModel(file, loading), plan.context, loading);
  return { ...steps, description: backend.description, dispose: () => backend.dispose() };
}

/** llama.cpp's own timing of a prompt and of what follows, so that its JavaScript is not in the figures. */
async function wllama(plan) {
  const { Wllama, LoggerWithoutDebug } = await served('/wllama/index.js');
  const engine = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { logger: LoggerWithoutDebug });
  const model = await (await fetch(`/models/${plan.gguf}`)).blob();
  await engine.loadModel([model], {
    n_ctx: plan.context,
    n_batch: 512,
    n_ubatch: 512,
    n_threads: plan.threads,
    warmup: false,
  });
  // A made-up vocabulary: letters and spaces are tokens of one byte each, or longer words.
  async function complete(prompt, tokens) {
    const { timings } = await engine.createCompletion({
      prompt,
      max_tokens: tokens,
      temperature: 0,
      ignore_eos: true,
      cache_prompt: false,
    });
    return timings;
  }
  // Digits are no part of any longer token.
  const digits = (count) => Array.from({ length: count }, (_, i) => (i * 7919) % 10).join('');
  return {
    description: `wllama, ${engine.getNumThreads()} threads`,
    async prefill(count) {
      const timings = await complete(digits(count), 1);
      if (timings.prompt_n !== count) throw new Error(`wllama took ${timings.prompt_n} tokens, not ${count}`);
      return timings.prompt_ms;
    },
    async decode(at, count) {
      const timings = await complete(digits(at), count + 1);
      // The first token comes of the prompt.
      return (timings.predicted_ms / timings.predicted_n) * count;
    },
    dispose: () => engine.exit(),
  };
}

async function onnx(plan) {
  const ort = await served('/onnxruntime/ort.wasm.min.mjs');
  ort.env.wasm.wasmPaths = '/onnxruntime/';
  const steps = await onnxSteps(ort, `/models/${plan.onnx}/onnx/model_q4.onnx`, plan.threads);
  return { ...steps, description: `onnxruntime-web, ${plan.threads} threads`, dispose: () => undefined };
}

async function transformersJs(plan) {
  const transformers = await served('/app/transformers.js');
  const { env } = transformers;
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/models/';
  Object.assign(env.backends.onnx.wasm, { numThreads: plan.threads, wasmPaths: '/transformers-runtime/' });
  const steps = await transformersSteps(transformers, plan.onnx, { device: 'wasm' });
  const description = `transformers.js ${env.version}, ${plan.threads} threads`;
  return { ...steps, description, dispose: () => undefined };
}

const engines = { ours, wllama, 'onnxruntime-web': onnx, 'transformers.js': transformersJs };

/** Milliseconds by engine and command; the first round warms up. */
async function run(plan) {
  const loaded = {};
  const problems = {};
  for (const name of plan.engines) {
    try {
      loaded[name] = await engines[name](plan);
    } catch (error) {
      problems[name] = String(error.stack ?? error);
    }
  }
  const times = Object.fromEntries(Object.keys(loaded).map((name) => [name, plan.commands.map(() => [])]));
  for (let round = 0; round <= plan.rounds; round++) {
    for (const [i, { command, args }] of plan.commands.entries()) {
      for (const [name, engine] of Object.entries(loaded)) {
        const ms = await engine[command](...args);
        if (round > 0) times[name][i].push(ms);
      }
    }
  }
  const descriptions = Object.fromEntries(
    Object.entries(loaded).map(([name, { description }]) => [name, description]),
  );
  for (const engine of Object.values(loaded)) await engine.dispose();
  return { times, descriptions, problems };
}

try {
  await report(await run(await (await fetch('/app/plan.json')).json()));
} catch (error) {
  await report({ error: String(error.stack ?? error) });
}
