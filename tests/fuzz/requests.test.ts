/** Request bodies made from the schemas' own fields, whole and damaged: never a 500, never a hang, always OpenAI's shape. */

import { createStubModel } from '@steelyard/engine/testing';
import { createServer, providerOf } from '@steelyard/server';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const RUNS = Number(process.env.STEELYARD_FUZZ_RUNS ?? 1500);
const SEED = 20_260;

const reported: unknown[] = [];
const { app } = createServer({
  models: providerOf([createStubModel({ name: 'stub', contextLength: 40 })]),
  chatPage: false,
  limits: { bodyBytes: 20_000 },
  onError: (error) => reported.push(error),
});

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e308,
    -0,
    2 ** 53,
    '',
    'auto',
    [],
    {},
    [[]],
    [null],
    '\ud800',
    '\u0000',
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string(),
);

/** Mostly absent, sometimes anything. */
const rare = fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: odd });

const content = fc.oneof(
  { weight: 20, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.record(
        { type: fc.constantFrom('text', 'image_url', 'refusal', 'x'), text: fc.string() },
        { requiredKeys: [] },
      ),
    ),
  },
  { weight: 1, arbitrary: odd },
);
const role = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('user', 'assistant', 'system', 'developer') },
  { weight: 1, arbitrary: fc.constantFrom('tool', 'function', 'x') },
);
const message = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        role: role,
        content,
        name: fc.string(),
        tool_calls: rare,
        ['__proto__']: rare,
      },
      { requiredKeys: ['role', 'content'] },
    ),
  },
  { weight: 1, arbitrary: odd },
);

/** Mostly a value that fits, sometimes anything. */
const field = (fits: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 40, arbitrary: fits }, { weight: 1, arbitrary: odd });

const shared = {
  model: field(fc.constantFrom('stub', 'stub', 'stub', 'none')),
  temperature: field(fc.double({ min: 0, max: 2, noNaN: true })),
  top_p: field(fc.double({ min: 0, max: 1, noNaN: true })),
  top_k: field(fc.integer({ min: -1, max: 50 })),
  min_p: field(fc.double({ min: 0, max: 1, noNaN: true })),
  presence_penalty: field(fc.double({ min: -2, max: 2, noNaN: true })),
  frequency_penalty: field(fc.double({ min: -2, max: 2, noNaN: true })),
  repetition_penalty: field(fc.double({ min: 0.1, max: 3, noNaN: true })),
  logit_bias: field(fc.dictionary(fc.nat(260).map(String), fc.integer({ min: -100, max: 100 }))),
  seed: field(fc.maxSafeInteger()),
  n: field(fc.integer({ min: 1, max: 3 })),
  stop: field(fc.oneof(fc.string({ minLength: 1 }), fc.array(fc.string({ minLength: 1 }), { maxLength: 4 }))),
  stream: field(fc.boolean()),
  stream_options: rare,
  max_tokens: field(fc.integer({ min: 1, max: 10 })),
  user: field(fc.string()),
};

const chatBody = fc.record(
  {
    messages: field(fc.array(message, { maxLength: 4 })),
    ...shared,
    logprobs: field(fc.boolean()),
    top_logprobs: rare,
    tools: field(fc.constant([])),
    response_format: field(fc.constant({ type: 'text' })),
    chat_template_kwargs: field(fc.dictionary(fc.string(), fc.jsonValue())),
    anything: rare,
  },
  { requiredKeys: ['model', 'messages'] },
);

const completionBody = fc.record(
  {
    prompt: field(
      fc.oneof(
        fc.string(),
        fc.array(fc.string(), { maxLength: 3 }),
        fc.array(fc.nat(256), { minLength: 1, maxLength: 20 }),
        fc.array(fc.array(fc.nat(256), { maxLength: 5 }), { maxLength: 3 }),
      ),
    ),
    ...shared,
    logprobs: field(fc.integer({ min: 0, max: 5 })),
    echo: field(fc.boolean()),
    suffix: rare,
    best_of: rare,
  },
  { requiredKeys: ['model', 'prompt'] },
);

const bytes = (body: fc.Arbitrary<unknown>) =>
  fc.oneof(
    { weight: 8, arbitrary: body.map((value) => Buffer.from(JSON.stringify(value))) },
    // Damage: cut short, a byte changed, or nothing of JSON at all.
    { weight: 1, arbitrary: fc.tuple(body, fc.nat()).map(([value, at]) => cut(JSON.stringify(value), at)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(body, fc.nat(), fc.nat(255))
        .map(([value, at, byte]) => flip(JSON.stringify(value), at, byte)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)) },
  );

function cut(text: string, at: number): Buffer {
  const buffer = Buffer.from(text);
  return buffer.subarray(0, at % (buffer.length + 1));
}

function flip(text: string, at: number, byte: number): Buffer {
  const buffer = Buffer.from(text);
  buffer[at % buffer.length] = byte;
  return buffer;
}

interface ErrorBody {
  error: { message: unknown; type: unknown; param: unknown; code: unknown };
}

async function check(path: string, body: Buffer): Promise<number> {
  const request = new Request(`http://localhost${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: new Uint8Array(body),
  });
  const response = await app.request(request);
  const text = await response.text();
  if (response.status === 200) {
    if (response.headers.get('content-type')?.startsWith('text/event-stream'))
      expect(text).toMatch(/data: \[DONE\]\n\n$/);
    else expect(JSON.parse(text)).toHaveProperty('choices');
    return 200;
  }
  expect([400, 404, 413]).toContain(response.status);
  const { error } = JSON.parse(text) as ErrorBody;
  expect(error.message).toBeTypeOf('string');
  expect((error.message as string).length).toBeLessThan(2000);
  expect(error.type).toBe('invalid_request_error');
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  return response.status;
}

it.each([
  ['/v1/chat/completions', chatBody],
  ['/v1/completions', completionBody],
])(
  '%s survives hostile bodies',
  async (path, body) => {
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(bytes(body), async (data) => {
        const status = await check(path, data);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }),
      { numRuns: RUNS, seed: SEED },
    );
    expect(reported).toEqual([]);
    // A fuzzer that only ever hears no, or only yes, tests little.
    expect(statuses.get(200)).toBeGreaterThan(RUNS / 100);
    expect(statuses.get(400)).toBeGreaterThan(RUNS / 10);
  },
  60_000 + RUNS * 20,
);
