/**
 * transformers.js on the folder of make-onnx.mjs, in Node and in browsers: milliseconds from the call of its generate loop to
 * the first token, and between tokens, as a streamer of its own sees them.
 */

const VOCABULARY = 30000;
const token = (i) => BigInt((i * 7919 + 13) % VOCABULARY);

/** Notes when each token came. */
class Clock {
  times = [];
  put() {
    this.times.push(performance.now());
  }
  end() {}
}

/** `folder`: below the library's path for local models. */
export async function transformersSteps({ AutoModelForCausalLM, Tensor }, folder, options) {
  const model = await AutoModelForCausalLM.from_pretrained(folder, {
    dtype: 'q4',
    local_files_only: true,
    ...options,
  });

  /** When the call began, when the prompt was handed back, when each token came. */
  async function generate(prompt, count) {
    const ids = BigInt64Array.from({ length: prompt }, (_, i) => token(i));
    const streamer = new Clock();
    const start = performance.now();
    await model.generate({
      inputs: new Tensor('int64', ids, [1, prompt]),
      attention_mask: new Tensor('int64', new BigInt64Array(prompt).fill(1n), [1, prompt]),
      max_new_tokens: count,
      do_sample: false,
      streamer,
    });
    const [, ...tokens] = streamer.times;
    if (tokens.length !== count) throw new Error(`transformers.js wrote ${tokens.length} tokens of ${count}`);
    return { start, tokens };
  }

  return {
    async prefill(count) {
      const { start, tokens } = await generate(count, 1);
      return tokens[0] - start;
    },
    async decode(at, count) {
      const { tokens } = await generate(at, count + 1);
      return tokens.at(-1) - tokens[0];
    },
  };
}
