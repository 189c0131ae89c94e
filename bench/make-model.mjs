/**
 * Writes a Llama of random weights at a published size, for measuring speed and memory where no real file is at hand.
 *
 *   node bench/make-model.mjs --shape 1.2b --format q4_0 OUT.gguf
 *
 * Blocks are random bytes with scales set so that activations stay finite; the text it writes means nothing.
 */

import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ggufPieces } from '../packages/formats/dist/index.js';
import { dtypeInfo, f32ToBf16, f32ToF16 } from '../packages/graph/dist/index.js';

const SHAPES = {
  '1.2b': {
    layers: 16,
    hidden: 2048,
    ff: 8192,
    heads: 32,
    kvHeads: 8,
    vocab: 128256,
    context: 131072,
    theta: 500000,
  },
  '135m': {
    layers: 30,
    hidden: 576,
    ff: 1536,
    heads: 9,
    kvHeads: 3,
    vocab: 49152,
    context: 8192,
    theta: 100000,
  },
};
/** Format of the linear layers, and of the embedding, which is the output head too. */
const FORMATS = {
  q4_0: ['q4_0', 'q6_k'],
  q4_1: ['q4_1', 'q6_k'],
  q8_0: ['q8_0', 'q8_0'],
  q4_k_m: ['q4_k', 'q6_k'],
  f16: ['f16', 'f16'],
  bf16: ['bf16', 'bf16'],
};
const PIECE = 1 << 24;

const { values: options, positionals } = parseArgs({
  options: { shape: { type: 'string', default: '1.2b' }, format: { type: 'string', default: 'q4_0' } },
  allowPositionals: true,
});
const shape = SHAPES[options.shape];
const format = FORMATS[options.format];
const [out] = positionals;
if (!shape || !format || !out) {
  console.error(
    `usage: node bench/make-model.mjs --shape ${Object.keys(SHAPES).join('|')} --format ${Object.keys(FORMATS).join('|')} OUT.gguf`,
  );
  process.exit(2);
}

/** Bytes of each block that hold a half-precision scale, for a weight of about 0.02. */
const SCALES = { q4_0: [0], q4_1: [0, 2], q8_0: [0], q4_k: [0, 2], q6_k: [208] };
const SCALE_VALUE = { q4_0: 0.005, q4_1: 0.005, q8_0: 0.0003, q4_k: 0.0001, q6_k: 0.00003 };

function* randomWeights(dtype, elements) {
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  const total = (elements / blockSize) * blockBytes;
  const piece = new Uint8Array(PIECE - (PIECE % blockBytes));
  for (let done = 0; done < total; done += piece.length) {
    const bytes = piece.subarray(0, Math.min(piece.length, total - done));
    randomFillSync(bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (blockSize === 1) {
      // Exponents are set to that of 0.016, fractions and signs stay random.
      const bits = dtype === 'f16' ? [0x83ff, f32ToF16(1 / 64)] : [0x807f, f32ToBf16(1 / 64)];
      for (let at = 0; at < bytes.length; at += 2)
        view.setUint16(at, (view.getUint16(at, true) & bits[0]) | bits[1], true);
    } else {
      const scale = f32ToF16(SCALE_VALUE[dtype]);
      for (let at = 0; at < bytes.length; at += blockBytes) {
        SCALES[dtype].forEach((place, i) => {
          // The second half is an offset: mins are subtracted, q4_1's is added.
          const value = i === 0 ? scale : dtype === 'q4_1' ? f32ToF16(-7.5 * SCALE_VALUE.q4_1) : scale;
          view.setUint16(at + place, value, true);
        });
      }
    }
    yield bytes;
  }
}

function weight(name, dtype, rows, columns) {
  // Rows that do not divide into blocks of 256 fall back to 32, as llama.cpp does.
  const fits = columns % dtypeInfo(dtype).blockSize === 0;
  const used = fits ? dtype : 'q8_0';
  return { name, dtype: used, shape: [rows, columns], bytes: () => randomWeights(used, rows * columns) };
}

function norm(name) {
  return {
    name,
    dtype: 'f32',
    shape: [shape.hidden],
    bytes: () => [new Uint8Array(new Float32Array(shape.hidden).fill(1).buffer)],
  };
}

const [linear, embedding] = format;
const kvWidth = (shape.hidden / shape.heads) * shape.kvHeads;
const tensors = [
  weight('token_embd.weight', embedding, shape.vocab, shape.hidden),
  norm('output_norm.weight'),
];
for (let i = 0; i < shape.layers; i++) {
  const at = (name) => `blk.${i}.${name}.weight`;
  tensors.push(
    norm(at('attn_norm')),
    weight(at('attn_q'), linear, shape.hidden, shape.hidden),
    weight(at('attn_k'), linear, kvWidth, shape.hidden),
    weight(at('attn_v'), linear, kvWidth, shape.hidden),
    weight(at('attn_output'), linear, shape.hidden, shape.hidden),
    norm(at('ffn_norm')),
    weight(at('ffn_gate'), linear, shape.ff, shape.hidden),
    weight(at('ffn_up'), linear, shape.ff, shape.hidden),
    weight(at('ffn_down'), linear, shape.hidden, shape.ff),
  );
}

/** GPT-2's printable stand-in of each byte, then made-up words; the last token ends a text. */
function vocabulary() {
  const printable = [];
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    printable.push(String.fromCodePoint(visible ? byte : next++));
  }
  const words = Array.from({ length: shape.vocab - 257 }, (_, i) => `\u0120w${i || ''}`);
  return [...printable, ...words, '<|end|>'];
}

const tokens = vocabulary();
const u32 = (value) => ({ type: 'u32', value });
const metadata = {
  'general.architecture': { type: 'string', value: 'llama' },
  'general.name': { type: 'string', value: `random ${options.shape} ${options.format}` },
  'llama.block_count': u32(shape.layers),
  'llama.context_length': u32(shape.context),
  'llama.embedding_length': u32(shape.hidden),
  'llama.feed_forward_length': u32(shape.ff),
  'llama.attention.head_count': u32(shape.heads),
  'llama.attention.head_count_kv': u32(shape.kvHeads),
  'llama.rope.dimension_count': u32(shape.hidden / shape.heads),
  'llama.rope.freq_base': { type: 'f32', value: shape.theta },
  'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
  'llama.vocab_size': u32(shape.vocab),
  'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
  'tokenizer.ggml.pre': { type: 'string', value: 'llama-bpe' },
  'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: tokens },
  'tokenizer.ggml.token_type': {
    type: 'array',
    of: 'i32',
    value: tokens.map((_, i) => (i === tokens.length - 1 ? 3 : 1)),
  },
  'tokenizer.ggml.merges': { type: 'array', of: 'string', value: ['\u0120 w'] },
  'tokenizer.ggml.bos_token_id': u32(shape.vocab - 1),
  'tokenizer.ggml.eos_token_id': u32(shape.vocab - 1),
  'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
};

const started = performance.now();
const file = openSync(out, 'w');
let written = 0;
for (const piece of ggufPieces(metadata, tensors)) {
  for (let at = 0; at < piece.length;) at += writeSync(file, piece, at);
  written += piece.length;
}
closeSync(file);
console.log(
  `${out}: ${(written / 1e6).toFixed(1)} MB in ${((performance.now() - started) / 1000).toFixed(1)} s`,
);
