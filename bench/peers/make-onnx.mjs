/**
 * Writes an ONNX model of the 135M shape with random weights as a folder that transformers.js loads: linear layers and the
 * head as MatMulNBits of 4 bits (blocks of 32, a float32 scale each), GroupQueryAttention with rotation, float32 embedding;
 * names of inputs and outputs as exported models have them; a configuration, and a tokenizer of as many made-up words.
 * The GGUF file beside it has the same layers in Q4_0 and the head in Q8_0, so that this one's head reads half the bytes.
 *
 *   node bench/peers/make-onnx.mjs FOLDER
 */

import { randomFillSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SHAPE = {
  layers: 30,
  hidden: 576,
  ff: 1536,
  heads: 9,
  kvHeads: 3,
  vocab: 49152,
  context: 2048,
  theta: 1e5,
};
const DIM = SHAPE.hidden / SHAPE.heads;
const BLOCK = 32;
const FLOAT = 1;
const UINT8 = 2;
const INT32 = 6;
const INT64 = 7;
const MICROSOFT = 'com.microsoft';

// Protocol buffers: fields by number; messages are lists of buffers.
function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}
const integer = (field, value) => [varint(field << 3), varint(value)];
const bytes = (field, value) => [varint((field << 3) | 2), varint(value.length), value];
const text = (field, value) => bytes(field, Buffer.from(value));
const message = (field, parts) => bytes(field, Buffer.concat(parts.flat(Infinity)));
function float(field, value) {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return [varint((field << 3) | 5), buffer];
}

const nodes = [];
const initializers = [];

function tensor(name, type, dims, data) {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  initializers.push(
    message(5, [...dims.map((dim) => integer(1, dim)), integer(2, type), text(8, name), bytes(9, raw)]),
  );
  return name;
}

function node(op, inputs, outputs, attributes = {}, domain = '') {
  const list = Object.entries(attributes).map(([name, value]) =>
    message(5, [
      text(1, name),
      ...(name === 'epsilon' ? [float(2, value), integer(20, 1)] : [integer(3, value), integer(20, 2)]),
    ]),
  );
  nodes.push(
    message(1, [
      ...inputs.map((name) => text(1, name)),
      ...outputs.map((name) => text(2, name)),
      text(3, outputs[0]),
      text(4, op),
      ...list,
      text(7, domain),
    ]),
  );
  return outputs[0];
}

function ones(name) {
  return tensor(name, FLOAT, [SHAPE.hidden], new Float32Array(SHAPE.hidden).fill(1));
}

function linear(name, x, rows, columns) {
  const codes = randomFillSync(new Uint8Array((rows * columns) / 2));
  const scales = new Float32Array((rows * columns) / BLOCK).fill(0.005);
  const weights = [
    tensor(`${name}.codes`, UINT8, [rows, columns / BLOCK, BLOCK / 2], codes),
    tensor(`${name}.scales`, FLOAT, [scales.length], scales),
  ];
  const attributes = { K: columns, N: rows, bits: 4, block_size: BLOCK, accuracy_level: 4 };
  return node('MatMulNBits', [x, ...weights], [name], attributes, MICROSOFT);
}

function rotation(f) {
  const half = DIM / 2;
  return Float32Array.from({ length: SHAPE.context * half }, (_, i) =>
    f(Math.floor(i / half) * SHAPE.theta ** (-(i % half) / half)),
  );
}

const { hidden, kvHeads, heads, ff, vocab, context } = SHAPE;
const embedding = new Float32Array(vocab * hidden);
const noise = randomFillSync(new Int32Array(embedding.length));
for (let i = 0; i < embedding.length; i++) embedding[i] = noise[i] / 2 ** 36;
tensor('embedding', FLOAT, [vocab, hidden], embedding);
const cos = tensor('cos', FLOAT, [context, DIM / 2], rotation(Math.cos));
const sin = tensor('sin', FLOAT, [context, DIM / 2], rotation(Math.sin));
tensor('last', INT64, [1], BigInt64Array.of(-1n));
tensor('one', INT64, [1], BigInt64Array.of(1n));
// Positions so far, and that of the last token, as GroupQueryAttention counts them.
const total = node(
  'Gather',
  [node('Shape', ['attention_mask'], ['mask.shape']), tensor('second', INT64, [], BigInt64Array.of(1n))],
  ['total'],
  { axis: 0 },
);
node('Cast', [total], ['length'], { to: INT32 });
const held = node('ReduceSum', ['attention_mask', 'one'], ['held'], { keepdims: 0 });
node('Cast', [node('Sub', [held, 'one'], ['held.last'])], ['last_position'], { to: INT32 });
let sum = node('Gather', ['embedding', 'input_ids'], ['embedded']);
let x = node('SimplifiedLayerNormalization', [sum, ones('norm.first')], ['normed.first'], {
  epsilon: 1e-5,
  axis: -1,
});
const past = [];
const present = [];

/** Adds to the sum of the layers and normalises. */
function addAndNormalise(added, name) {
  const outputs = [`${name}.normed`, '', '', `${name}.sum`];
  const inputs = [added, sum, ones(`${name}.weight`)];
  x = node('SkipSimplifiedLayerNormalization', inputs, outputs, { epsilon: 1e-5 }, MICROSOFT);
  sum = outputs[3];
}

for (let i = 0; i < SHAPE.layers; i++) {
  const at = (name) => `layer.${i}.${name}`;
  past.push(`past_key_values.${i}.key`, `past_key_values.${i}.value`);
  present.push(`present.${i}.key`, `present.${i}.value`);
  const qkv = [
    linear(at('q'), x, hidden, hidden),
    linear(at('k'), x, kvHeads * DIM, hidden),
    linear(at('v'), x, kvHeads * DIM, hidden),
  ];
  const attended = node(
    'GroupQueryAttention',
    [...qkv, ...past.slice(-2), 'last_position', 'length', cos, sin],
    [at('attended'), ...present.slice(-2)],
    { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1, rotary_interleaved: 0 },
    MICROSOFT,
  );
  addAndNormalise(linear(at('o'), attended, hidden, hidden), at('attention'));
  const gate = linear(at('gate'), x, ff, hidden);
  const opened = node('Mul', [gate, node('Sigmoid', [gate], [at('sigmoid')])], [at('silu')]);
  const product = node('Mul', [opened, linear(at('up'), x, ff, hidden)], [at('product')]);
  addAndNormalise(linear(at('down'), product, hidden, ff), at('mlp'));
}
// Of the last token only, as the others do: exported models compute them for all tokens of a prompt.
linear('logits', node('Gather', [x, 'last'], ['last_row'], { axis: 1 }), vocab, hidden);

function value(field, name, type, dims) {
  const shape = dims.map((dim) => message(1, [typeof dim === 'string' ? text(2, dim) : integer(1, dim)]));
  return message(field, [text(1, name), message(2, [message(1, [integer(1, type), message(2, shape)])])]);
}
const cache = (field, names, length) =>
  names.map((name) => value(field, name, FLOAT, ['batch_size', kvHeads, length, DIM]));
const graph = [
  ...nodes,
  text(2, 'random 135m'),
  ...initializers,
  value(11, 'input_ids', INT64, ['batch_size', 'sequence_length']),
  value(11, 'attention_mask', INT64, ['batch_size', 'total_sequence_length']),
  ...cache(11, past, 'past_sequence_length'),
  value(12, 'logits', FLOAT, ['batch_size', 1, vocab]),
  ...cache(12, present, 'total_sequence_length'),
];
const opset = (domain, version) => message(8, [text(1, domain), integer(2, version)]);
const model = [integer(1, 8), message(7, graph), opset('', 17), opset(MICROSOFT, 1)];
const configuration = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: hidden,
  intermediate_size: ff,
  num_hidden_layers: SHAPE.layers,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  head_dim: DIM,
  max_position_embeddings: context,
  rope_theta: SHAPE.theta,
  vocab_size: vocab,
  bos_token_id: 0,
  eos_token_id: 1,
};
const words = Object.fromEntries(Array.from({ length: vocab }, (_, i) => [`w${i}`, i]));
const tokenizer = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab: words, unk_token: 'w0' },
};
const [out] = process.argv.slice(2);
if (!out) {
  console.error('usage: node bench/peers/make-onnx.mjs FOLDER');
  process.exit(2);
}
mkdirSync(join(out, 'onnx'), { recursive: true });
const files = {
  config: configuration,
  tokenizer,
  tokenizer_config: { tokenizer_class: 'PreTrainedTokenizer' },
};
for (const [name, content] of Object.entries(files))
  writeFileSync(join(out, `${name}.json`), JSON.stringify(content));
// By the name that transformers.js gives files of 4 bits with float32 around them.
writeFileSync(join(out, 'onnx', 'model_q4.onnx'), Buffer.concat(model.flat(Infinity)));
