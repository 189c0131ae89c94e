/**
 * A GGUF of gpt-oss' shape whose experts are holes: sparse on disk, zeros when read. The router's weights and some
 * rows of the embedding are random, so that tokens choose different experts in each layer.
 */

import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { vocabulary } from './vocabulary.mjs';

/** The published sizes of gpt-oss-20b. */
export const GPT_OSS_20B = {
  layers: 24,
  hidden: 2880,
  heads: 64,
  kvHeads: 8,
  headDim: 64,
  experts: 32,
  used: 4,
  vocab: 201088,
  context: 131072,
};

/** Rows of the embedding and of the head that are not zero. */
const ROWS = 512;

/** Numbers that are the same each time. Park and Miller 1988. */
function* randoms(seed) {
  for (let state = seed; ; yield state / 2147483647) state = (state * 48271) % 2147483647;
}

function randomFloats(count, seed) {
  const values = new Float32Array(count);
  const random = randoms(seed);
  for (let i = 0; i < count; i++) values[i] = (random.next().value - 0.5) * 0.5;
  return new Uint8Array(values.buffer);
}

/** Blocks of q8_0: the scale 1/1024 as a half, then 32 signed bytes. */
function randomQ8(count, seed) {
  const bytes = new Uint8Array((count / 32) * 34);
  const random = randoms(seed);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = i % 34 < 2 ? [0x00, 0x14][i % 34] : random.next().value * 256;
  return bytes;
}

/** What a tensor's bytes are but for `begin`: a hole of `length` bytes, which the writer skips. */
const hole = (length) => ({ length, hole: true });

/**
 * `formats` and `graph` are the packages, built or not.
 * Returns the size in bytes; on disk it takes a few megabytes.
 */
export function writeGptOss(path, shape, { ggufPieces }, { byteLength }) {
  const file = openSync(path, 'w');
  let size = 0;
  try {
    for (const piece of ggufPieces(metadata(shape), tensors(shape, byteLength))) {
      if (!piece.hole) writeSync(file, piece, 0, piece.length, size);
      size += piece.length;
    }
    ftruncateSync(file, size);
  } finally {
    closeSync(file);
  }
  return size;
}

function tensors(shape, byteLength) {
  const { hidden, heads, kvHeads, headDim, experts, vocab } = shape;
  const tensor = (name, dtype, dims, begin = new Uint8Array()) => {
    const total = byteLength(
      dtype,
      dims.reduce((a, b) => a * b, 1),
    );
    return { name, dtype, shape: dims, bytes: () => [begin, hole(total - begin.length)] };
  };
  const norm = (name) =>
    tensor(name, 'f32', [hidden], new Uint8Array(new Float32Array(hidden).fill(1).buffer));
  const rows = Math.min(ROWS, vocab);
  const list = [
    tensor('token_embd.weight', 'q8_0', [vocab, hidden], randomQ8(rows * hidden, 7)),
    tensor('output.weight', 'q8_0', [vocab, hidden], randomQ8(rows * hidden, 11)),
    norm('output_norm.weight'),
  ];
  for (let i = 0; i < shape.layers; i++) {
    const linear = (name, out, width) => [
      tensor(`blk.${i}.${name}.weight`, 'q8_0', [out, width]),
      tensor(`blk.${i}.${name}.bias`, 'f32', [out]),
    ];
    const stack = (name) => [
      tensor(`blk.${i}.${name}.weight`, 'mxfp4', [experts, hidden, hidden]),
      tensor(`blk.${i}.${name}.bias`, 'f32', [experts, hidden]),
    ];
    list.push(
      norm(`blk.${i}.attn_norm.weight`),
      norm(`blk.${i}.post_attention_norm.weight`),
      tensor(`blk.${i}.attn_sinks.weight`, 'f32', [heads]),
      ...linear('attn_q', heads * headDim, hidden),
      ...linear('attn_k', kvHeads * headDim, hidden),
      ...linear('attn_v', kvHeads * headDim, hidden),
      ...linear('attn_output', hidden, heads * headDim),
      tensor(
        `blk.${i}.ffn_gate_inp.weight`,
        'f32',
        [experts, hidden],
        randomFloats(experts * hidden, 13 + i),
      ),
      tensor(`blk.${i}.ffn_gate_inp.bias`, 'f32', [experts]),
      ...['ffn_gate_exps', 'ffn_up_exps', 'ffn_down_exps'].flatMap(stack),
    );
  }
  return list;
}

function metadata(shape) {
  const u32 = (value) => ({ type: 'u32', value });
  const f32 = (value) => ({ type: 'f32', value });
  const string = (value) => ({ type: 'string', value });
  const { tokens, merges } = vocabulary(shape.vocab);
  const own = {
    block_count: u32(shape.layers),
    context_length: u32(shape.context),
    embedding_length: u32(shape.hidden),
    feed_forward_length: u32(shape.hidden),
    'attention.head_count': u32(shape.heads),
    'attention.head_count_kv': u32(shape.kvHeads),
    'attention.key_length': u32(shape.headDim),
    'attention.value_length': u32(shape.headDim),
    'attention.layer_norm_rms_epsilon': f32(1e-5),
    'attention.sliding_window': u32(128),
    expert_count: u32(shape.experts),
    expert_used_count: u32(shape.used),
    expert_feed_forward_length: u32(shape.hidden),
    'rope.freq_base': f32(150000),
    'rope.scaling.type': string('yarn'),
    'rope.scaling.factor': f32(32),
    'rope.scaling.original_context_length': u32(4096),
  };
  return {
    'general.architecture': string('gpt-oss'),
    'general.name': string('holes of gpt-oss'),
    ...Object.fromEntries(Object.entries(own).map(([key, value]) => [`gpt-oss.${key}`, value])),
    'tokenizer.ggml.model': string('gpt2'),
    'tokenizer.ggml.pre': string('gpt-4o'),
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: tokens },
    'tokenizer.ggml.token_type': {
      type: 'array',
      of: 'i32',
      value: tokens.map((_, i) => (i === tokens.length - 1 ? 3 : 1)),
    },
    'tokenizer.ggml.merges': { type: 'array', of: 'string', value: merges },
    'tokenizer.ggml.eos_token_id': u32(shape.vocab - 1),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
  };
}
