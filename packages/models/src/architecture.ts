/** What one architecture's file gives to the registry. */

import type { Value } from '@steelyard/graph';
import type { ConfigReader } from './config-reader.ts';
import type { ModelConfig } from './model.ts';
import type { Step } from './step.ts';
import type { WeightNames } from './weight-names.ts';

export interface Architecture<C extends ModelConfig = ModelConfig> {
  /** Name of the file and of the golden's folder. */
  readonly name: string;
  /** `model_type` values of `config.json`. */
  readonly huggingFace: readonly string[];
  /** `general.architecture` values of GGUF files. */
  readonly gguf: readonly string[];
  /** Golden variants, each a folder of `tests/golden/models/<name>`; the conformance suite runs them all. */
  readonly variants: readonly string[];
  /** It makes vectors of texts, and no text. */
  readonly encoder?: true;
  /** Published names of the canonical weights. */
  readonly names: WeightNames;
  /**
   * Every key of the file must be read here or be known to have no effect on the result.
   * @throws UnsupportedError for values that `forward` does not implement
   */
  readConfig(reader: ConfigReader): C;
  /** Adds one step to the graph. Returns the logits [V, vocabSize]. */
  forward(step: Step, config: C): Value;
  /** What `show` prints besides the config. */
  facts?(config: C): Readonly<Record<string, string>>;
}

/** Keeps a definition's own config type inside and hides it outside. */
export function defineArchitecture<C extends ModelConfig>(definition: Architecture<C>): Architecture {
  return definition;
}
