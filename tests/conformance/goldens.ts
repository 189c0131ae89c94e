/** Finds the golden models by listing their folder, so that none is forgotten and none needs registering. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../golden/models');

export interface GoldenPrompt {
  readonly name: string;
  readonly tokens: readonly number[];
  /** Fed one by one after the prompt. */
  readonly continuation: readonly number[];
  /** [tokens, width] of one prefill. */
  readonly prefill: Float32Array;
  /** [continuation, width] */
  readonly decode: Float32Array;
}

export interface Golden {
  readonly architecture: string;
  readonly variant: string;
  /** What computed it: `transformers 5.23.0`. */
  readonly reference: string;
  readonly vocabSize: number;
  /** What the rows hold: logits, or the hidden states of a model that makes vectors of texts. */
  readonly output: 'logits' | 'hidden';
  /** Values of a row. */
  readonly width: number;
  readonly prompts: readonly GoldenPrompt[];
  readonly files: readonly GoldenFile[];
}

export interface GoldenFile {
  /** `safetensors`, `gguf f16`. */
  readonly format: string;
  /** GGUF file, or folder of safetensors. */
  readonly path: string;
  /** Weights of few bits, which fast backends multiply with rounded activations. */
  readonly quantised: boolean;
}

interface GoldenJson {
  readonly reference: string;
  readonly vocabSize: number;
  /** The model is published in few bits, whatever the file's name says. */
  readonly quantised?: boolean;
  readonly hiddenSize?: number;
  readonly prompts: readonly Pick<GoldenPrompt, 'name' | 'tokens' | 'continuation'>[];
}

export function listGoldens(): Golden[] {
  return folders(root).flatMap((architecture) =>
    folders(join(root, architecture)).map((variant) => readGolden(architecture, variant)),
  );
}

function folders(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

function readGolden(architecture: string, variant: string): Golden {
  const folder = join(root, architecture, variant);
  const { reference, vocabSize, hiddenSize, prompts, quantised } = JSON.parse(
    readFileSync(join(folder, 'golden.json'), 'utf8'),
  ) as GoldenJson;
  const bytes = readFileSync(join(folder, 'logits.f32'));
  const logits = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  let at = 0;
  const width = hiddenSize ?? vocabSize;
  const take = (rows: number): Float32Array => logits.subarray(at, (at += rows * width));
  const withLogits = prompts.map((p) => ({
    ...p,
    prefill: take(p.tokens.length),
    decode: take(p.continuation.length),
  }));
  if (at !== logits.length)
    throw new Error(`${folder}: logits.f32 has ${logits.length} values, prompts need ${at}`);
  const output = hiddenSize === undefined ? 'logits' : 'hidden';
  const head = { architecture, variant, reference, vocabSize, output, width } as const;
  return { ...head, prompts: withLogits, files: listFiles(folder, quantised) };
}

function listFiles(folder: string, quantised = false): GoldenFile[] {
  const gguf = readdirSync(folder).filter((name) => name.endsWith('.gguf'));
  const files = gguf.sort().map((name): GoldenFile => {
    const type = name.replace(/^model-|\.gguf$/g, '');
    return { format: `gguf ${type}`, path: join(folder, name), quantised: quantised || type.startsWith('q') };
  });
  const published = existsSync(join(folder, 'model.safetensors'));
  return published ? [{ format: 'safetensors', path: folder, quantised }, ...files] : files;
}
