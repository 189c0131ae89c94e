/**
 * Writes a Llama of random weights at a published size, or a Qwen3-MoE of a small one, for measuring speed and memory
 * where no real file is at hand.
 *
 *   npm run build && node bench/make-model.mjs --shape 1.2b --format q4_0 OUT.gguf
 *
 * Blocks are random bytes with scales set so that activations stay finite; the text it writes means nothing.
 */

import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ggufPieces } from '../packages/formats/dist/index.js';
import { dtypeInfo, f32ToBf16, f32ToF16 } from '../packages/graph/dist/index.js';
import { vocabulary } from './vocabulary.mjs';

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
  // 0.9B weights, of which a token meets 0.2B.
  moe: {
    layers: 16,
    hidden: 1024,
    ff: 512,
    experts: 32,
    used: 4,
    heads: 16,
    kvHeads: 4,
    vocab: 49152,
    context: 8192,
    theta: 100000,
  },
};
/**
 * Format of the linear layers, of the embedding, which is the output head too, and of routed experts where theirs is
 * another. In q4_k_m, some layers' value and down projections get the embedding's format, as llama.cpp does it.
 */
const FORMATS = {
  q4_0: ['q4_0', 'q6_k'],
  q4_1: ['q4_1', 'q6_k'],
  q8_0: ['q8_0', 'q8_0'],
  q4_k_m: ['q4_k', 'q6_k'],
  f16: ['f16', 'f16'],
  bf16: ['bf16', 'bf16'],
  // Experts alone, as gpt-oss is published.
  mxfp4: ['q8_0', 'q8_0', 'mxfp4'],
};
/** What llama.cpp uses where rows do not divide into blocks of 256. */
const FALLBACKS = { q4_k: 'q5_0', q6_k: 'q8_0' };
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

/** Halves of each block, by their byte: values for weights around zero of a deviation of about 0.02. */
const HALVES = {
  q4_0: { 0: 0.005 },
  q4_1: { 0: 0.005, 2: -7.5 * 0.005 },
  q5_0: { 0: 0.0025 },
  q8_0: { 0: 0.0003 },
  // The mins, as many as the scales, are subtracted: 7.5 is the mean of the integers that the scales multiply.
  q4_k: { 0: 0.0001, 2: 7.5 * 0.0001 },
  q6_k: { 208: 0.000015 },
};

function* randomWeights(dtype, elements) {
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  const total = (elements / blockSize) * blockBytes;
  const piece = new Uint8Array(Math.min(total, PIECE - (PIECE % blockBytes)));
  for (let done = 0; done < total; done += piece.length) {
    const bytes = piece.subarray(0, Math.min(piece.length, total - done));
    randomFillSync(bytes);
    if (blockSize === 1) setExponents(dtype, bytes);
    else if (dtype === 'mxfp4') {
      // The exponent of 1/128.
      for (let at = 0; at < bytes.length; at += blockBytes) bytes[at] = 120;
    } else {
      for (const [at, value] of Object.entries(HALVES[dtype])) {
        setHalves(bytes, Number(at), blockBytes, f32ToF16(value));
      }
    }
    yield bytes;
  }
}

/** Exponents become that of 1/64, fractions and signs stay random; of float32 both halves do as bf16. */
function setExponents(dtype, bytes) {
  const [keep, exponent] = dtype === 'f16' ? [0x83ff, f32ToF16(1 / 64)] : [0x807f, f32ToBf16(1 / 64)];
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const [keepBoth, exponents] = [keep * 0x10001, exponent * 0x10001];
  for (let i = 0; i < words.length; i++) words[i] = (words[i] & keepBoth) | exponents;
}

function setHalves(bytes, first, step, half) {
  for (let at = first; at < bytes.length; at += step) {
    bytes[at] = half & 255;
    bytes[at + 1] = half >> 8;
  }
}

/** `dims`: rows and columns, before them experts. */
function weight(name, dtype, ...dims) {
  const fits = dims.at(-1) % dtypeInfo(dtype).blockSize === 0;
  const used = fits ? dtype : FALLBACKS[dtype];
  const elements = dims.reduce((a, b) => a * b, 1);
  return { name, dtype: used, shape: dims, bytes: () => randomWeights(used, elements) };
}

function norm(name, width = shape.hidden) {
  return {
    name,
    dtype: 'f32',
    shape: [width],
    bytes: () => [new Uint8Array(new Float32Array(width).fill(1).buffer)],
  };
}

/** The first and last eighth of the layers, and every third between. */
function isFiner(layer) {
  const eighth = Math.floor(shape.layers / 8);
  return layer < eighth || layer >= Math.floor((7 * shape.layers) / 8) || (layer - eighth) % 3 === 2;
}

const [linear, embedding, experts = linear] = format;
const headDim = shape.hidden / shape.heads;
const kvWidth = headDim * shape.kvHeads;

function feedForward(at, finer) {
  const { hidden, ff } = shape;
  if (!shape.experts)
    return [
      weight(at('ffn_gate'), linear, ff, hidden),
      weight(at('ffn_up'), linear, ff, hidden),
      weight(at('ffn_down'), finer ? embedding : linear, hidden, ff),
    ];
  return [
    norm(at('attn_q_norm'), headDim),
    norm(at('attn_k_norm'), headDim),
    weight(at('ffn_gate_inp'), 'f32', shape.experts, hidden),
    weight(at('ffn_gate_exps'), experts, shape.experts, ff, hidden),
    weight(at('ffn_up_exps'), experts, shape.experts, ff, hidden),
    weight(at('ffn_down_exps'), finer ? embedding : experts, shape.experts, hidden, ff),
  ];
}

const tensors = [
  weight('token_embd.weight', embedding, shape.vocab, shape.hidden),
  norm('output_norm.weight'),
];
for (let i = 0; i < shape.layers; i++) {
  const at = (name) => `blk.${i}.${name}.weight`;
  const finer = options.format === 'q4_k_m' && isFiner(i);
  tensors.push(
    norm(at('attn_norm')),
    weight(at('attn_q'), linear, shape.hidden, shape.hidden),
    weight(at('attn_k'), linear, kvWidth, shape.hidden),
    weight(at('attn_v'), finer ? embedding : linear, kvWidth, shape.hidden),
    weight(at('attn_output'), linear, shape.hidden, shape.hidden),
    norm(at('ffn_norm')),
    ...feedForward(at, finer),
  );
}

const { tokens, merges } = vocabulary(shape.vocab);
const u32 = (value) => ({ type: 'u32', value });
const architecture = shape.experts ? 'qwen3moe' : 'llama';
const own = {
  block_count: u32(shape.layers),
  context_length: u32(shape.context),
  embedding_length: u32(shape.hidden),
  feed_forward_length: u32(shape.ff),
  'attention.head_count': u32(shape.heads),
  'attention.head_count_kv': u32(shape.kvHeads),
  'rope.freq_base': { type: 'f32', value: shape.theta },
  'attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
  vocab_size: u32(shape.vocab),
  ...(shape.experts
    ? {
        'attention.key_length': u32(headDim),
        'attention.value_length': u32(headDim),
        expert_count: u32(shape.experts),
        expert_used_count: u32(shape.used),
        expert_feed_forward_length: u32(shape.ff),
      }
    : { 'rope.dimension_count': u32(headDim) }),
};
const metadata = {
  'general.architecture': { type: 'string', value: architecture },
  'general.name': { type: 'string', value: `random ${options.shape} ${options.format}` },
  ...Object.fromEntries(Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value])),
  'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
  'tokenizer.ggml.pre': { type: 'string', value: 'llama-bpe' },
  'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: tokens },
  'tokenizer.ggml.token_type': {
    type: 'array',
    of: 'i32',
    value: tokens.map((_, i) => (i === tokens.length - 1 ? 3 : 1)),
  },
  'tokenizer.ggml.merges': { type: 'array', of: 'string', value: merges },
  'tokenizer.ggml.bos_token_id': u32(shape.vocab - 1),
  'tokenizer.ggml.eos_token_id': u32(shape.vocab - 1),
  'tokenizer.chat_template': {
    type: 'string',
    value: '{% for message in messages %}{{ message.content }}\n{% endfor %}',
  },
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
