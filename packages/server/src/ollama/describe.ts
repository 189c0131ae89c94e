/** Models as Ollama lists them: what is served, with what the depot knows of its files. */

import type { EmbeddingInfo, ModelInfo } from '@steelyard/engine';
import type { Services } from '../endpoint.ts';
import { findNamed } from '../model-provider.ts';
import type { StoredModel } from '../model-depot.ts';
import type { OllamaDetails } from '../schemas/ollama-answer.ts';

export interface Described {
  readonly info: ModelInfo | EmbeddingInfo;
  /** Absent for a file that lies elsewhere. */
  readonly stored: StoredModel | undefined;
  readonly details: OllamaDetails;
}

export async function describeAll({
  models,
  embeddingModels,
  depot,
}: Services): Promise<readonly Described[]> {
  const stored = (await depot?.list()) ?? [];
  const infos = [...(await models.list()), ...(await embeddingModels.list())];
  return infos.map((info) => {
    const found = findNamed(stored, info.name, ({ name }) => name);
    return { info, stored: found, details: detailsOf(info, found) };
  });
}

/** What every list says of a model. */
export function listed({ info, stored, details }: Described, size = stored?.bytes ?? 0) {
  return { name: info.name, model: info.name, size, digest: stored?.digest ?? '', details };
}

function detailsOf(info: ModelInfo | EmbeddingInfo, stored: StoredModel | undefined): OllamaDetails {
  const format = stored && !stored.path.toLowerCase().endsWith('.gguf') ? 'safetensors' : 'gguf';
  return {
    parent_model: '',
    format,
    family: info.architecture,
    families: [info.architecture],
    parameter_size: shortCount(info.parameterCount),
    quantization_level: info.quantisation.toUpperCase(),
  };
}

/** `134.5M`, `7.6B`. */
function shortCount(count: number): string {
  const [unit, size] = count >= 1e9 ? ['B', 1e9] : count >= 1e6 ? ['M', 1e6] : ['K', 1e3];
  return `${(count / size).toFixed(1)}${unit}`;
}
