/** Compares a model on a backend with its golden, in every way in which an engine may cut the work into steps. */

import type { ModelFile } from '@steelyard/formats';
import { loadModel, type LoadedModel } from '@steelyard/models';
import type { Backend } from '@steelyard/graph';
import type { Golden, GoldenPrompt } from './golden.ts';
import { PagedRunner } from './paged-runner.ts';

/** Largest errors, each relative to the largest value of its row. */
export interface Errors {
  /** Prompts in one step each. */
  readonly prefill: number;
  /** Prompts three tokens at a time. */
  readonly chunked: number;
  /** Continuations token by token. */
  readonly decode: number;
  /** Short prompts and their continuations, a token at a time from the first. */
  readonly stepwise: number;
  /** All prompts of differing lengths in one step, then all continuations side by side. */
  readonly batch: number;
}

const PAGE_SIZE = 4;
const CHUNK = 3;
/** Tokens; longer ones would take most of the suite's time. */
const STEPWISE_LIMIT = 16;

/**
 * Loads a file of a golden, which the caller opened, and measures it. With `everyCut` false only prefill and decode are.
 * @throws Error when it is not the golden's model
 */
export async function measureOpened(
  backend: Backend,
  golden: Golden,
  opened: ModelFile,
  everyCut: boolean,
): Promise<Errors> {
  const { output } = golden;
  const options = { pageSize: PAGE_SIZE, kvDType: 'f32', contextLength: longest(golden), output } as const;
  const model = loadModel(opened, options);
  const { architecture, vocabSize } = model.config;
  if (architecture !== golden.architecture || vocabSize !== golden.vocabSize) {
    throw new Error(`${opened.name} is ${architecture} of ${vocabSize} words`);
  }
  return measure(backend, model, golden, everyCut);
}

/**
 * With `everyCut` false only prefill and decode are measured: the graph of another file of the same model has the
 * same cuts, and the reference is slow. Encoders have no cuts.
 */
async function measure(
  backend: Backend,
  model: LoadedModel,
  golden: Golden,
  everyCut: boolean,
): Promise<Errors> {
  const { prompts } = golden;
  const capacity = { pageSize: PAGE_SIZE, sequences: prompts.length, length: longest(golden) };
  const runner = await PagedRunner.create(backend, model, 'f32', capacity);
  try {
    const errors = { prefill: 0, chunked: 0, decode: 0, stepwise: 0, batch: 0 };
    for (const prompt of prompts) {
      const whole = [...prompt.tokens, ...prompt.continuation];
      const split = prompt.prefill.length;
      const oneGo = await feed(runner, whole, [prompt.tokens.length, ...prompt.continuation.map(() => 1)]);
      const compare = (got: Float32Array, want: Float32Array): number =>
        relativeError(got, want, golden.width);
      errors.prefill = Math.max(errors.prefill, compare(oneGo.subarray(0, split), prompt.prefill));
      errors.decode = Math.max(errors.decode, compare(oneGo.subarray(split), prompt.decode));
      if (!everyCut || model.config.causal === false) continue;
      const chunked = await feed(runner, prompt.tokens, chunks(prompt.tokens.length, CHUNK));
      errors.chunked = Math.max(errors.chunked, compare(chunked, prompt.prefill));
      if (whole.length > STEPWISE_LIMIT) continue;
      const stepwise = await feed(runner, whole, chunks(whole.length, 1));
      errors.stepwise = Math.max(errors.stepwise, compare(stepwise, join(prompt.prefill, prompt.decode)));
    }
    return everyCut ? { ...errors, batch: await batchError(runner, prompts, golden.width) } : errors;
  } finally {
    runner.dispose();
  }
}

/** Tokens of the longest prompt with its continuation. */
function longest({ prompts }: Golden): number {
  return Math.max(...prompts.map((p) => p.tokens.length + p.continuation.length));
}

/** Logits of `tokens` fed to sequence 0 in steps of the given sizes. */
async function feed(
  runner: PagedRunner,
  tokens: readonly number[],
  sizes: readonly number[],
): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  let start = 0;
  for (const size of sizes) {
    parts.push(await runner.step([{ sequence: 0, start, tokens: tokens.slice(start, start + size) }]));
    start += size;
  }
  return join(...parts);
}

async function batchError(
  runner: PagedRunner,
  prompts: readonly GoldenPrompt[],
  width: number,
): Promise<number> {
  const prefill = await runner.step(prompts.map((p, sequence) => ({ sequence, start: 0, tokens: p.tokens })));
  let worst = relativeError(prefill, join(...prompts.map((p) => p.prefill)), width);
  const steps = Math.max(...prompts.map((p) => p.continuation.length));
  for (let i = 0; i < steps; i++) {
    // Those that have ended drop out, so the rows of the page table shift.
    const running = prompts.flatMap((p, sequence) => (i < p.continuation.length ? [{ p, sequence }] : []));
    const got = await runner.step(
      running.map(({ p, sequence }) => ({
        sequence,
        start: p.tokens.length + i,
        tokens: p.continuation.slice(i, i + 1),
      })),
    );
    const want = join(...running.map(({ p }) => p.decode.subarray(i * width, (i + 1) * width)));
    worst = Math.max(worst, relativeError(got, want, width));
  }
  return worst;
}

function chunks(total: number, size: number): number[] {
  return Array.from({ length: Math.ceil(total / size) }, (_, i) => Math.min(size, total - i * size));
}

function join(...parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Infinite when lengths differ or a value is not a number. */
export function relativeError(got: Float32Array, want: Float32Array, width: number): number {
  if (got.length !== want.length) return Infinity;
  let worst = 0;
  for (let at = 0; at < want.length; at += width) {
    let top = 0;
    let difference = 0;
    for (let i = at; i < at + width; i++) {
      const delta = Math.abs((got[i] as number) - (want[i] as number));
      if (Number.isNaN(delta)) return Infinity;
      top = Math.max(top, Math.abs(want[i] as number));
      difference = Math.max(difference, delta);
    }
    worst = Math.max(worst, difference / top);
  }
  return worst;
}
