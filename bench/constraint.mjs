/**
 * What a constraint costs per token, for the vocabulary of a GGUF file: over the tokens of a valid answer, the time to
 * mask and take a token that fits at once, and where another was tried before it and did not fit; and what compiling
 * costs once per schema. Compare with the model's own time per token.
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
const counted = { type: 'string', minLength: 20, maxLength: 200 };
const countedSchema = {
  type: 'object',
  properties: { name: counted },
  required: ['name'],
  additionalProperties: false,
};
const countedText = JSON.stringify({ name: 'Ada Lovelace, whose name is followed by more words' });
const held = { type: 'json_schema', schema: countedSchema };
const call = [{ literal: '<tool_call>\n' }, { held }, { literal: '\n</tool_call>' }];
const cases = {
  schema: { type: 'json_schema', schema, text: valid },
  json: { type: 'json', text: valid },
  counted: { ...held, text: countedText },
  'counted, in a call': {
    type: 'outline',
    paths: [call, [{ literal: 'No call: ' }, { held }]],
    text: `<tool_call>\n${countedText}\n</tool_call>`,
  },
};

const control = tokenizer.encode('\u0001', { addSpecial: false, parseSpecial: false })[0];
function summary(times, name) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => Number(sorted[Math.floor(share * (sorted.length - 1))].toFixed(4));
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  return {
    [`${name}meanMs`]: Number(mean.toFixed(4)),
    [`${name}medianMs`]: at(0.5),
    [`${name}p99Ms`]: at(0.99),
  };
}
const rows = [];
for (const [name, { text, ...constraint }] of Object.entries(cases)) {
  const maker = new GuideMaker(tokenizer, tokenizer.vocabSize);
  (await maker.make({ constraint: { type: 'ebnf', grammar: 'root ::= "a"' } })).dispose();
  const started = performance.now();
  (await maker.make({ constraint })).dispose();
  const compileMs = Number((performance.now() - started).toFixed(1));
  const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
  const [fits, refused] = [[], []];
  const begun = performance.now();
  for (let round = 0; round < ROUNDS && performance.now() - begun < LONG_MS; round++) {
    for (const times of [fits, refused]) {
      const guide = await maker.make({ constraint }, { tries: true });
      for (const id of ids) {
        const before = performance.now();
        let mask = await guide.mask();
        if (times === refused) {
          // No text of these has it, and what does not fit changes nothing.
          if (guide.accept(control)) throw new Error('a control character fits');
          mask = await guide.mask();
        }
        if (!((mask[id >> 5] >>> (id & 31)) & 1)) throw new Error(`the mask forbids ${tokenizer.token(id)}`);
        guide.accept(id);
        times.push(performance.now() - before);
      }
      guide.dispose();
    }
  }
  rows.push({
    constraint: name,
    tokens: ids.length,
    compileMs,
    ...summary(fits, ''),
    ...summary(refused, 'refused '),
  });
}
console.log(`${path}: ${tokenizer.vocabSize} tokens`);
console.table(rows);
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
file.close();
