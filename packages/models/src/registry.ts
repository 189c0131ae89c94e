/** The list of architectures. Adding one = its file, its line here, its goldens. */

import { UnsupportedError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import type { Architecture } from './architecture.ts';
import { bert } from './bert.ts';
import { cohere } from './cohere.ts';
import { cohere2 } from './cohere2.ts';
import { deepseek } from './deepseek.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { gpt2 } from './gpt2.ts';
import { gptOss } from './gpt_oss.ts';
import { granite } from './granite.ts';
import { jamba } from './jamba.ts';
import { llama } from './llama.ts';
import { llama4 } from './llama4.ts';
import { ministral3 } from './ministral3.ts';
import { nomicBert } from './nomic-bert.ts';
import { olmo2 } from './olmo2.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen2moe } from './qwen2_moe.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3moe } from './qwen3_moe.ts';
import { smollm3 } from './smollm3.ts';

const registry: readonly Architecture[] = [
  bert,
  cohere,
  cohere2,
  deepseek,
  gemma,
  gemma2,
  gemma3,
  gpt2,
  gptOss,
  granite,
  jamba,
  llama,
  llama4,
  ministral3,
  nomicBert,
  olmo2,
  phi3,
  qwen2,
  qwen2moe,
  qwen3,
  qwen3moe,
  smollm3,
];

/** What `show` and the docs say of an architecture. */
export interface ArchitectureSummary {
  readonly name: string;
  /** `model_type` values of `config.json`. */
  readonly huggingFace: readonly string[];
  /** `general.architecture` values of GGUF files. */
  readonly gguf: readonly string[];
  /** Tiny models whose logits are compared with transformers' in the conformance suite. */
  readonly variants: readonly string[];
  /** Whether it makes vectors of texts, and no text. */
  readonly encoder: boolean;
}

export const architectures: readonly ArchitectureSummary[] = registry.map(
  ({ name, huggingFace, gguf, variants, encoder = false }) => ({
    name,
    huggingFace,
    gguf,
    variants,
    encoder,
  }),
);

/** Names under which files may declare a supported architecture, sorted. */
export function supportedArchitectures(): string[] {
  return [...new Set(registry.flatMap(({ huggingFace, gguf }) => [...huggingFace, ...gguf]))].sort();
}

/** What a file says it is. */
export function declaredArchitecture(file: ModelFile): string | undefined {
  const value =
    file.format === 'gguf' ? file.metadata.get('general.architecture') : file.config['model_type'];
  return typeof value === 'string' ? value : undefined;
}

/** @throws UnsupportedError naming what the file declares and what is supported in its format */
export function findArchitecture(file: ModelFile): { architecture: Architecture; declared: string } {
  const declared = declaredArchitecture(file);
  const namesOf = (a: Architecture): readonly string[] => (file.format === 'gguf' ? a.gguf : a.huggingFace);
  const architecture = registry.find((a) => declared !== undefined && namesOf(a).includes(declared));
  if (architecture) return { architecture, declared: declared as string };
  const key = file.format === 'gguf' ? 'general.architecture' : 'model_type in config.json';
  const what =
    declared === undefined ? 'is missing' : `is ${JSON.stringify(declared)}, which is not supported`;
  const format = file.format === 'gguf' ? 'GGUF files' : 'safetensors folders';
  throw new UnsupportedError(
    `${file.name}: ${key} ${what}; supported in ${format}: ${registry.flatMap(namesOf).sort().join(', ')}; ` +
      'for how each is proven, run: steelyard show --supported',
  );
}

/** Whether the model makes vectors of texts and no text. @throws UnsupportedError for an unknown architecture */
export function isEncoder(file: ModelFile): boolean {
  return findArchitecture(file).architecture.encoder ?? false;
}
