/**
 * What a constraint costs per token: time of the mask and of taking the token, over the tokens of a valid answer, for
 * the vocabulary of a GGUF file; and what compiling costs once per schema. Compare with the model's own time per token.
 *
 *   node bench/constraint.mjs --model FILE [--json FILE]
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { GuideMaker } from '../packages/engine/dist/testing.js';
import { openModel } from '../packages/formats/dist/node/index.js';
import { tokenizerFromGguf } from '../packages/text/dist/index.js';

const ROUNDS = 20;
/** Milliseconds after which no further round of a case begins. */
const LONG_MS = 5_000;
const { values: options } = parseArgs({ options: { model: { type: 'string' }, json: { type: 'string' } } });
const path = options.model ?? (await (await import('./default-model.mjs')).defaultModelPath());
const file = openModel(path);
if (file.format !== 'gguf') throw new Error(`${path}: expected a .gguf file`);
const tokenizer = tokenizerFromGguf(file.metadata);

const line = {
  type: 'object',
  properties: { item: { type: 'string' }, price: { type: 'number', minimum: 0 } },
};
const schema = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    day: { type: 'string', format: 'date' },
    zip: { type: 'string', pattern: '^[0-9]{5}$' },
    lines: { type: 'array', items: { ...line, required: ['item', 'price'], additionalProperties: false } },
  },
  required: ['name', 'age', 'day', 'zip', 'lines'],
  additionalProperties: false,
};
const valid = JSON.stringify({
  name: 'Ada Lovelace, whose name is followed by more words, since strings are most of many answers',
  age: 36,
  day: '1852-11-27',
  zip: '12345',
  lines: [
    { item: 'caf\u00e9 \u65e5\u672c\u8a9e \u{1f98a}', price: 12.5 },
    { item: 'a difference engine', price: 0 },
  ],
});
// Lengths are counted one character at a time, which no mask is prepared for: tokens are tried first, as by the engine.
const counted = { type: 'string', minLength: 20, maxLength: 200 };
const countedSchema = {
  type: 'object',
  properties: { name: counted },
  required: ['name'],
  additionalProperties: false,
};
const cases = {
  schema: { type: 'json_schema', schema, text: valid },
  json: { type: 'json', text: valid },
  counted: {
    type: 'json_schema',
    schema: countedSchema,
    text: JSON.stringify({ name: 'Ada Lovelace, whose name is followed by more words' }),
  },
};

const quantile = (values, share) => values[Math.floor(share * (values.length - 1))];
const rows = [];
for (const [name, { text, ...constraint }] of Object.entries(cases)) {
  const maker = new GuideMaker(tokenizer, tokenizer.vocabSize);
  (await maker.make({ type: 'ebnf', grammar: 'root ::= "a"' })).dispose();
  const started = performance.now();
  (await maker.make(constraint)).dispose();
  const compileMs = performance.now() - started;
  const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
  const times = [];
  const begun = performance.now();
  for (let round = 0; round < ROUNDS && performance.now() - begun < LONG_MS; round++) {
    const guide = await maker.make(constraint, { tries: true });
    for (const id of ids) {
      const before = performance.now();
      const mask = await guide.mask();
      guide.accept(id);
      times.push(performance.now() - before);
      if (!((mask[id >> 5] >>> (id & 31)) & 1)) throw new Error(`the mask forbids ${tokenizer.token(id)}`);
    }
    guide.dispose();
  }
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  times.sort((a, b) => a - b);
  rows.push({
    constraint: name,
    vocabulary: tokenizer.vocabSize,
    tokens: ids.length,
    compileMs,
    meanMs: mean,
    medianMs: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  });
}
console.table(rows);
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
file.close();
