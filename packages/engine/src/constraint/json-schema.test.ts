import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WordTokenizer } from '../word-tokenizer.ts';
import { constraintEbnf, type HeldConstraint } from './constraint.ts';
import { GuideMaker } from './guide-maker.ts';

const EOS = 0;
const tokenizer = new WordTokenizer();
// Some tokens of several bytes across the borders of JSON's own tokens.
for (const word of ['":', '",', '"a":', '12', '{"', '],', 'true', ' "b"']) tokenizer.encode(word);
const maker = new GuideMaker(tokenizer, 300);

/** A random answer under the constraint: what a model with random logits would say; undefined when it takes too long. */
async function answer(constraint: HeldConstraint, seed: number): Promise<string | undefined> {
  const guide = await maker.make({ constraint });
  let state = seed >>> 0;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const ids: number[] = [];
  try {
    for (let step = 0; step < 3000; step++) {
      const mask = await guide.mask();
      const allowed = Array.from({ length: 300 }, (_, id) => id).filter(
        (id) => (mask[id >> 5]! >>> (id & 31)) & 1,
      );
      expect(allowed.length, `dead after ${tokenizer.decode(ids)}`).toBeGreaterThan(0);
      // Closing is made likely, so that answers end.
      const closing = allowed.filter((id) => id === EOS || '"]}'.includes(tokenizer.decode([id])[0] ?? 'x'));
      const from = closing.length > 0 && random() < 0.3 ? closing : allowed;
      const id = from[Math.floor(random() * from.length)]!;
      guide.accept(id);
      if (id === EOS) return tokenizer.decode(ids);
      ids.push(id);
    }
    return undefined;
  } finally {
    guide.dispose();
  }
}

function validator(schema: object): (value: unknown) => void {
  // Multiples of decimals are those of the decimals, not of the doubles nearest to them.
  const ajv = new Ajv2020({ strict: false, allErrors: true, multipleOfPrecision: 6 });
  addFormats.default(ajv);
  const validate = ajv.compile(schema);
  return (value) => {
    if (!validate(value)) throw new Error(`${JSON.stringify(value)}: ${ajv.errorsText(validate.errors)}`);
  };
}

async function check(schema: object, seeds: readonly number[], least = 1): Promise<string[]> {
  const validate = validator(schema);
  const answers: string[] = [];
  for (const seed of seeds) {
    const text = await answer({ type: 'json_schema', schema }, seed);
    if (text === undefined) continue;
    validate(JSON.parse(text));
    answers.push(text);
  }
  expect(answers.length).toBeGreaterThanOrEqual(least);
  return answers;
}

const name = fc.constantFrom('a', 'b', 'ab', 'name', 'a/b', 'quo"te', '\u00fc');
const small = fc.integer({ min: 0, max: 4 });
const leaf: fc.Arbitrary<object> = fc.oneof(
  fc.constantFrom({ type: 'null' }, { type: 'boolean' }, { type: 'string' }, { type: 'number' }, {}),
  fc.constantFrom({ type: ['string', 'null'] }, { type: ['integer', 'boolean'] }),
  fc
    .tuple(small, small)
    .map(([a, b]) => ({ type: 'string', minLength: Math.min(a, b), maxLength: Math.max(a, b) })),
  fc
    .tuple(fc.integer({ min: -5000, max: 5000 }), fc.integer({ min: 0, max: 3000 }))
    .map(([low, span]) => ({ type: 'integer', minimum: low, maximum: low + span })),
  fc
    .tuple(fc.double({ min: -100, max: 100, noNaN: true }), fc.double({ min: 1, max: 50, noNaN: true }))
    .map(([low, span]) => ({ type: 'number', exclusiveMinimum: low, exclusiveMaximum: low + span })),
  fc.integer({ min: -20, max: 20 }).map((minimum) => ({ type: 'number', minimum })),
  fc
    .tuple(
      fc.constantFrom('integer', 'number'),
      fc.constantFrom(2, 3, 7, 10, 25, 60, 9, 360, 1000, 0.5, 0.25, 0.01, 2.5, 1.5),
      fc.integer({ min: -99999, max: 99999 }),
    )
    .map(([type, multipleOf, near]) => ({ type, multipleOf, minimum: near - 400, maximum: near + 400 })),
  fc
    .constantFrom(2, 3, 7, 10, 15, 25, 100, 0.1, 0.5, 0.05, 0.0001, 7.5)
    .map((multipleOf) => ({ type: 'number', multipleOf })),
  fc
    .constantFrom('^[a-c]{2,4}$', '\\d', '^a|b$', '^(?:x|"q"|\\\\)+$', '^[^a]*$', '^.{3}$', '^\\s?\\w+$')
    .map((pattern) => ({ type: 'string', pattern })),
  fc
    .constantFrom('date', 'time', 'date-time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid')
    .map((format) => ({ type: 'string', format })),
  fc
    .uniqueArray(fc.oneof(fc.string(), fc.integer(), fc.constant(null)), { minLength: 1, maxLength: 4 })
    .map((values) => ({ enum: values })),
  fc.json({ maxDepth: 1 }).map((value) => ({ const: JSON.parse(value) as unknown })),
);
const { schema: schemas } = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'schema' },
    leaf,
    fc
      .tuple(tie('schema'), small, small)
      .map(([items, a, b]) => ({ type: 'array', items, minItems: Math.min(a, b), maxItems: Math.max(a, b) })),
    fc
      .tuple(fc.array(tie('schema'), { minLength: 1, maxLength: 3 }), small)
      .map(([prefixItems, minItems]) => ({ type: 'array', prefixItems, minItems })),
    fc
      .tuple(
        fc.dictionary(name, tie('schema'), { maxKeys: 4 }),
        fc.uniqueArray(name, { maxLength: 2 }),
        fc.constantFrom(true, undefined),
      )
      .map(([properties, required, additionalProperties]) => ({
        type: 'object',
        properties,
        required,
        ...(additionalProperties && { additionalProperties }),
      })),
    fc.tuple(fc.dictionary(name, tie('schema'), { maxKeys: 3 }), fc.boolean()).map(([properties, all]) => ({
      type: 'object',
      properties,
      required: all ? Object.keys(properties) : [],
      additionalProperties: false,
    })),
    fc
      .tuple(name, tie('schema'))
      .map(([key, value]) => ({ properties: { [key]: {} }, additionalProperties: value })),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
  ),
}));

describe('schemaGrammar', () => {
  it('makes only answers that are valid, whatever the schema and the logits', async () => {
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(schemas, fc.integer(), async (schema, seed) => {
        answered += (await check(schema, [seed, seed + 1], 0)).length;
      }),
      { numRuns: 20, seed: 5, endOnFailure: true },
    );
    expect(answered).toBeGreaterThan(20);
  });

  it.each([
    [
      'recursion',
      {
        $ref: '#/$defs/n',
        $defs: {
          n: {
            type: 'object',
            properties: {
              v: { type: 'integer' },
              next: { anyOf: [{ $ref: '#/$defs/n' }, { type: 'null' }] },
            },
            required: ['v', 'next'],
            additionalProperties: false,
          },
        },
      },
    ],
    [
      'allOf',
      {
        allOf: [
          { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
          { properties: { b: { type: 'boolean' } }, required: ['b'] },
        ],
      },
    ],
    [
      'oneOf by constant',
      {
        oneOf: [
          { type: 'object', properties: { k: { const: 'x' }, v: { type: 'integer' } }, required: ['k', 'v'] },
          { type: 'object', properties: { k: { const: 'y' } }, required: ['k'] },
        ],
      },
    ],
    [
      'a base beside anyOf',
      {
        type: 'object',
        properties: { a: { type: 'integer' } },
        required: ['a'],
        anyOf: [
          { properties: { b: { type: 'null' } }, required: ['b'] },
          { properties: { c: { type: 'null' } }, required: ['c'] },
        ],
      },
    ],
    [
      'counts',
      { type: 'object', additionalProperties: { type: 'integer' }, minProperties: 1, maxProperties: 2 },
    ],
    ['a false property', { type: 'object', properties: { a: false, b: { type: 'null' } }, required: ['b'] }],
  ])('holds answers to %s', async (_, schema) => {
    await check(schema, [1, 2, 3, 4, 5, 6], 3);
  });

  it('reaches every optional property, and both bounds', async () => {
    const schema = { type: 'object', properties: { a: { type: 'null' }, b: { type: 'null' } } };
    const seeds = Array.from({ length: 60 }, (_, i) => i * 7919);
    const keys = (await check(schema, seeds)).map((text) => Object.keys(JSON.parse(text) as object).join());
    expect(new Set(keys)).toEqual(new Set(['', 'a', 'b', 'a,b']));
    const range = await check({ type: 'integer', minimum: -2, maximum: 1 }, seeds);
    expect(new Set(range)).toEqual(new Set(['-2', '-1', '0', '1']));
  });

  it.each([
    [{ type: 'integer', multipleOf: 7, minimum: -15, maximum: 22 }, ['-14', '-7', '0', '7', '14', '21']],
    [{ type: 'number', multipleOf: 50, exclusiveMinimum: 50, maximum: 150 }, ['100', '150']],
    [
      { type: 'number', multipleOf: 0.25, minimum: 0.5, exclusiveMaximum: 1.5 },
      ['0.5', '0.50', '0.75', '1', '1.0', '1.00', '1.25'],
    ],
    [{ type: 'integer', multipleOf: 1.5, minimum: 1, maximum: 9 }, ['3', '6', '9']],
    [{ type: 'integer', multipleOf: 0.5, minimum: 1, maximum: 3 }, ['1', '2', '3']],
    [{ type: 'number', multipleOf: 2, minimum: -2, maximum: -2 }, ['-2']],
  ])('reaches every multiple of %j, and nothing else', async (schema, expected) => {
    const seeds = Array.from({ length: 90 }, (_, i) => i * 7919);
    expect(new Set(await check(schema, seeds))).toEqual(new Set(expected));
  });

  it.each([
    [{ type: 'object', properties: { a: { not: {} } } }, 'properties.a.not'],
    [{ anyOf: [{ type: 'string' }, { type: 'array', items: { if: {} } }] }, 'anyOf[1].items.if'],
    [{ type: 'array', uniqueItems: true }, 'uniqueItems'],
    [{ type: 'array', contains: {} }, 'contains'],
    [{ type: 'object', patternProperties: {} }, 'patternProperties'],
    [{ type: 'number', multipleOf: 0 }, 'multipleOf'],
    [{ type: 'integer', multipleOf: 'two' }, 'multipleOf'],
    [{ type: 'integer', multipleOf: 997 }, 'multipleOf'],
    [{ type: 'integer', multipleOf: 1e-7 }, 'multipleOf'],
    [{ type: 'integer', multipleOf: 99, minimum: 1e9 }, 'multipleOf'],
    [{ type: 'integer', multipleOf: 1e20 }, 'multipleOf'],
    [{ type: 'string', format: 'iri' }, 'format'],
    [{ type: 'string', pattern: '(?=a)b' }, 'pattern'],
    [{ type: 'string', pattern: '[' }, 'pattern'],
    [{ type: 'string', pattern: 'a', maxLength: 3 }, 'maxLength'],
    [JSON.parse('{"properties": {"__proto__": {}}}') as object, 'properties.__proto__'],
    [{ type: 'frob' }, 'type'],
    [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, 'oneOf'],
    [{ allOf: [{ type: 'string' }, { type: 'null' }] }, 'allOf[1].type'],
    [{ $ref: 'http://example.com/x' }, '$ref'],
    [{ $ref: '#/$defs/none' }, '$ref'],
    [{ anyOf: [{ $ref: '#' }, { type: 'null' }] }, 'anyOf[0].$ref.anyOf[0].$ref'],
    [{ type: 'object', required: ['a'], additionalProperties: false }, 'required'],
  ])('refuses %j at %s', (schema, path) => {
    expect(() => constraintEbnf({ type: 'json_schema', schema })).toThrow(
      expect.objectContaining({ code: 'request', param: path }),
    );
  });

  it('refuses what nothing can satisfy', () => {
    const endless = { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] };
    for (const schema of [false, endless, { type: 'integer', minimum: 2, maximum: 1 }]) {
      expect(() => constraintEbnf({ type: 'json_schema', schema })).toThrow(/nothing can satisfy/);
    }
  });
});

describe('other constraints', () => {
  it('makes JSON objects, and texts that a pattern matches', async () => {
    const json = await Promise.all([1, 2, 3, 4].map((seed) => answer({ type: 'json' }, seed)));
    const objects = json.flatMap((text) => (text === undefined ? [] : [JSON.parse(text) as unknown]));
    expect(objects.length).toBeGreaterThan(0);
    const pattern = String.raw`(?:[a-z]{2}\d+|"q"\n)+`;
    const texts = await Promise.all([5, 6, 7].map((seed) => answer({ type: 'regex', pattern }, seed)));
    for (const text of texts)
      if (text !== undefined) expect(text).toMatch(new RegExp(`^(?:${pattern})$`, 'u'));
  });

  it('refuses repetitions that take long to compile', () => {
    const regex = (pattern: string) => () => constraintEbnf({ type: 'regex', pattern });
    expect(regex('(?:[ab]{100}){100}')).not.toThrow();
    expect(regex('(?:[ab]{4000}){4000}')).toThrow(/the pattern, its repetitions written out, has 16000000/);
    const texts = { type: 'array', maxItems: 3000, items: { type: 'string', maxLength: 3000 } };
    expect(() => constraintEbnf({ type: 'json_schema', schema: texts })).not.toThrow();
    const lists = { type: 'array', maxItems: 4000, items: texts };
    expect(() => constraintEbnf({ type: 'json_schema', schema: lists })).toThrow(
      /the schema, its repetitions/,
    );
  });

  it('takes characters of every length in UTF-8, from the first to the last', async () => {
    const pattern = '[\u007f-\u{10ffff}]+';
    const codes = [0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x1f98a, 0x10ffff];
    const guide = await maker.make({ constraint: { type: 'regex', pattern } });
    for (const id of tokenizer.encode(String.fromCodePoint(...codes))) guide.accept(id);
    guide.accept(EOS);
    guide.dispose();
  });

  it('refuses a bad grammar, and goes on', async () => {
    await expect(maker.make({ constraint: { type: 'ebnf', grammar: 'root ::= ( "a"' } })).rejects.toThrow(
      /line 1: expected '\)'/,
    );
    expect(await answer({ type: 'ebnf', grammar: 'root ::= "ab"' }, 1)).toBe('ab');
  });
});
