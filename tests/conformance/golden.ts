/** A golden model's prompts and results, wherever its bytes come from. */

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

export interface GoldenJson {
  readonly reference: string;
  readonly vocabSize: number;
  /** The model is published in few bits, whatever the file's name says. */
  readonly quantised?: boolean;
  readonly hiddenSize?: number;
  readonly prompts: readonly Pick<GoldenPrompt, 'name' | 'tokens' | 'continuation'>[];
}

/** Where the parts of a golden were found. */
export interface GoldenParts extends Pick<Golden, 'architecture' | 'variant' | 'files'> {
  readonly json: GoldenJson;
  /** All rows: of each prompt, then of its continuation. */
  readonly logits: Float32Array;
}

export function parseGolden({ architecture, variant, json, logits, files }: GoldenParts): Golden {
  const { reference, vocabSize, hiddenSize, prompts } = json;
  let at = 0;
  const width = hiddenSize ?? vocabSize;
  const take = (rows: number): Float32Array => logits.subarray(at, (at += rows * width));
  const withLogits = prompts.map((p) => ({
    ...p,
    prefill: take(p.tokens.length),
    decode: take(p.continuation.length),
  }));
  if (at !== logits.length) {
    throw new Error(`${architecture}/${variant}: logits.f32 has ${logits.length} values, prompts need ${at}`);
  }
  const output = hiddenSize === undefined ? 'logits' : 'hidden';
  return { architecture, variant, reference, vocabSize, output, width, prompts: withLogits, files };
}
