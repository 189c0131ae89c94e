import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatTemplate } from '../chat-template-types.ts';
import { answerSyntax, forcedCall, readsToolCalls, replyFormat } from './reply-format.ts';
import { ReplyParser, type ReplyEvent } from './reply-parser.ts';

const templateOf = (source: string): ChatTemplate => ({ source, render: () => '' });

const TOOLS: readonly unknown[] = [
  {
    type: 'function',
    function: {
      name: 'f',
      parameters: {
        type: 'object',
        properties: {
          count: { type: 'integer' },
          text: { type: 'string' },
          list: { type: 'array' },
          on: { type: 'boolean' },
          either: { anyOf: [{ type: 'number' }, { type: 'null' }] },
          kind: { enum: [1, 2] },
        },
      },
    },
  },
];

const templates = {
  qwen: '<tool_call> <think> </think>',
  coder: '<tool_call> <function=',
  r1: '</think>',
  mistral: '[TOOL_CALLS]',
  llama: '<|python_tag|> "parameters"',
  harmony: '<|channel|> <|message|>',
  command: '<|START_THINKING|> <|START_ACTION|>',
  commandR: "Write 'Action:' followed by",
  deepseek: '<｜tool▁calls▁begin｜> </think>',
  jamba: '<tool_calls>',
  python: '<|python_start|>',
  gemma: '<start_of_turn>',
};

type Told =
  Exclude<ReplyEvent, { type: 'callDelta' | 'call' }> | { type: 'call'; name: string; arguments: string };

/** Events with neighbours of one kind joined; calls only when they are whole, and checked against what was told before. */
function merged(events: readonly ReplyEvent[]): Told[] {
  const result: Told[] = [];
  const begun = begunCalls(events);
  for (const event of events) {
    const last = result.at(-1);
    if (event.type === 'callDelta') continue;
    if (event.type === 'call') {
      const { type, index, name, arguments: args } = event;
      const early = begun.get(index);
      if (early) expect([early.name, JSON.parse(early.arguments)]).toEqual([name, JSON.parse(args)]);
      result.push({ type, name, arguments: args });
    } else if (last?.type === event.type)
      result[result.length - 1] = { type: event.type, text: (last as { text: string }).text + event.text };
    else result.push(event);
  }
  return result;
}

/** By index, what was told of calls while they were written; each begins with its name. */
function begunCalls(
  events: readonly ReplyEvent[],
): Map<number, { name: string; arguments: string; pieces: number }> {
  const calls = new Map<number, { name: string; arguments: string; pieces: number }>();
  for (const event of events) {
    if (event.type !== 'callDelta') continue;
    const known = calls.get(event.index);
    expect(known === undefined).toBe(event.name !== undefined);
    const {
      name = '',
      arguments: before,
      pieces,
    } = known ?? { name: event.name ?? '', arguments: '', pieces: 0 };
    calls.set(event.index, { name, arguments: before + event.arguments, pieces: pieces + 1 });
  }
  return calls;
}

function parse(family: keyof typeof templates, pieces: readonly string[], prompt = '', tools = TOOLS) {
  const parser = new ReplyParser(replyFormat(templateOf(templates[family]), tools)!, prompt);
  return merged([...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]);
}

const content = (text: string): Told => ({ type: 'content', text });
const reasoning = (text: string): Told => ({ type: 'reasoning', text });
const call = (name: string, args: object): Told => ({
  type: 'call',
  name,
  arguments: JSON.stringify(args),
});

const cases: [string, keyof typeof templates, string, string, Told[]][] = [
  ['plain text, its white space kept', 'qwen', ' \n a  b\n ', '', [content(' \n a  b\n ')]],
  ['reasoning', 'qwen', '<think>\nHm. \n</think>\n\nYes.\n', '', [reasoning('Hm.'), content('Yes.\n')]],
  [
    'reasoning that the prompt opened',
    'r1',
    'Hm.</think>Yes.',
    'User: x<think>\n',
    [reasoning('Hm.'), content('Yes.')],
  ],
  ['reasoning without an end', 'qwen', '<think>Hm. ', '', [reasoning('Hm.')]],
  ['no reasoning', 'qwen', 'Yes.', '<think>\n\n</think>\n\n', [content('Yes.')]],
  ['a mark that is none', 'qwen', 'a <thin> b <', '', [content('a <thin> b <')]],
  [
    'text and two calls',
    'qwen',
    'Let me see.\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>\n<tool_call>{"name":"g","arguments":"{}"}</tool_call>\n',
    '',
    [content('Let me see.'), call('f', { a: 1 }), call('g', {})],
  ],
  ['a call without its end', 'qwen', '<tool_call>{"name":"f","arguments":{}}', '', [call('f', {})]],
  [
    'a broken call',
    'qwen',
    'a <tool_call>{"name":</tool_call> b',
    '',
    [content('a <tool_call>{"name":</tool_call> b')],
  ],
  [
    'arguments that are no object',
    'qwen',
    '<tool_call>{"name":"f","arguments":[1]}</tool_call>',
    '',
    [content('<tool_call>{"name":"f","arguments":[1]}</tool_call>')],
  ],
  [
    'a list',
    'mistral',
    '[TOOL_CALLS] [{"name": "f", "arguments": {}, "id": "123456789"}]',
    '',
    [call('f', {})],
  ],
  [
    'calls one by one',
    'mistral',
    '[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]x1[ARGS]{}',
    '',
    [call('f', { a: 1 }), call('g', {})],
  ],
  ['an answer in JSON', 'llama', '\n{"name": "f", "parameters": {"a": "b"}}', '', [call('f', { a: 'b' })]],
  ['JSON that is no call', 'llama', '{"answer": 42} ', '', [content('{"answer": 42} ')]],
  ['JSON in the midst', 'llama', 'So: {"name": "f"}', '', [content('So: {"name": "f"}')]],
  [
    'actions',
    'commandR',
    'Action:\n```json\n[\n    {\n "tool_name": "f", "parameters": {"a": 1}\n }, {"tool_name": "g", "parameters": {}}\n]\n```\n',
    '',
    [call('f', { a: 1 }), call('g', {})],
  ],
  [
    'the action of answering',
    'commandR',
    'Action: ```json\n[{"tool_name": "directly_answer", "parameters": {}}]```',
    '',
    [],
  ],
  ['actions that are none', 'commandR', 'Action: go.', '', [content('Action: go.')]],
  [
    'calls in a block of code',
    'deepseek',
    '</think>So: <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{"a": 1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    '<think>',
    [content('So:'), call('f', { a: 1 }), call('g', {})],
  ],
  [
    'calls without code',
    'deepseek',
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a": "x"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    '',
    [call('f', { a: 'x' })],
  ],
  [
    'values by the types of their parameters',
    'coder',
    'So.\n<tool_call>\n<function=f>\n<parameter=count>\n3\n</parameter>\n<parameter=text>\n 12\n<b>\n\n</parameter>\n<parameter=list>\n["a"]\n</parameter>\n<parameter=on>\nTrue\n</parameter>\n<parameter=either>\nnull\n</parameter>\n<parameter=kind>2</parameter>\n<parameter=other>\n5\n</parameter>\n</function>\n</tool_call>\n<tool_call><function=g></function></tool_call>',
    '',
    [
      content('So.'),
      call('f', { count: 3, text: ' 12\n<b>\n', list: ['a'], on: true, either: null, kind: 2, other: '5' }),
      call('g', {}),
    ],
  ],
  [
    'parameters without an end, and a number that is none',
    'coder',
    '<tool_call><function=f><parameter=text>a<parameter=count>many</function></tool_call>',
    '',
    [call('f', { text: 'a', count: 'many' })],
  ],
  [
    'XML that is no call',
    'coder',
    '<tool_call><function=f>x</function></tool_call>',
    '',
    [content('<tool_call><function=f>x</function></tool_call>')],
  ],
  ['a list in a tag', 'jamba', '<tool_calls>[{"name":"f","arguments":{}}]</tool_calls>', '', [call('f', {})]],
  [
    'Python',
    'python',
    `<|python_start|>[f(a=1, b='it\\'s', c=[True, None], d={"k": -1.5e3}), m.g()]<|python_end|>`,
    '',
    [call('f', { a: 1, b: "it's", c: [true, null], d: { k: -1500 } }), call('m.g', {})],
  ],
  ['Python without marks', 'python', '[f(a="x, y)")]', '', [call('f', { a: 'x, y)' })]],
  ['JSON instead', 'python', '{"name": "f", "parameters": {}}', '', [call('f', {})]],
  ['a list that is no call', 'python', '[1, 2]', '', [content('[1, 2]')]],
  ['arguments without names', 'python', '[f(1)]', '', [content('[f(1)]')]],
  ['an unfinished text', 'python', "[f(a='x)]", '', [content("[f(a='x)]")]],
  [
    'code',
    'gemma',
    'I look:\n```tool_code\nprint(f(a=1))\ng()\n```',
    '',
    [content('I look:'), call('f', { a: 1 }), call('g', {})],
  ],
  ['another list', 'gemma', '[f(a=1)]\n', '', [call('f', { a: 1 })]],
  ['code that is no call', 'gemma', '```tool_code\nx = 1\n```', '', [content('```tool_code\nx = 1\n```')]],
  ['the tag', 'llama', '<|python_tag|>{"name": "f", "parameters": {}}', '', [call('f', {})]],
  [
    'channels',
    'harmony',
    '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.',
    'x<|end|><|start|>assistant',
    [reasoning('Hm.'), content('Yes.')],
  ],
  [
    'a preamble and a call',
    'harmony',
    '<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a":1}',
    '<|start|>assistant',
    [content('I look.'), call('f', { a: 1 })],
  ],
  [
    'a recipient before the channel',
    'harmony',
    '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant to=functions.g<|channel|>commentary json<|message|>{}',
    '<|start|>assistant',
    [reasoning('Hm.'), call('g', {})],
  ],
  [
    'a recipient at once',
    'harmony',
    ' to=functions.g<|channel|>commentary<|message|>{}',
    '<|start|>assistant',
    [call('g', {})],
  ],
  [
    'a call that is none',
    'harmony',
    '<|channel|>commentary to=f<|message|>{"a"',
    '<|start|>assistant',
    [content('<|channel|>commentary to=f<|message|>{"a"')],
  ],
  ['a header alone', 'harmony', '<|channel|>fin', '<|start|>assistant', [content('<|channel|>fin')]],
  ['an answer without a header', 'harmony', 'Hello.', '<|start|>assistant', [content('Hello.')]],
  [
    'thoughts, then actions',
    'command',
    '<|START_THINKING|>I look.<|END_THINKING|><|START_ACTION|>[\n {"tool_call_id": "0", "tool_name": "f", "parameters": {"q": 1}}\n]<|END_ACTION|>',
    '',
    [reasoning('I look.'), call('f', { q: 1 })],
  ],
  [
    'thoughts, then a response',
    'command',
    'Hm.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>',
    '<|START_THINKING|>',
    [reasoning('Hm.'), content('Yes.')],
  ],
];

describe('reply parser', () => {
  it.each(cases)('reads %s', (_, family, text, prompt, expected) => {
    expect(parse(family, [text], prompt)).toEqual(expected);
  });

  it.each(cases)('reads %s however it is cut', (_, family, text, prompt, expected) => {
    expect(parse(family, [...text], prompt)).toEqual(expected);
    for (let at = 0; at <= text.length; at++)
      expect(parse(family, [text.slice(0, at), text.slice(at)], prompt)).toEqual(expected);
  });

  it('loses nothing of any mixture, and does not care how it is cut', () => {
    const piece = fc.constantFrom(
      ...['<think>', '</think>', '<tool_call>', '</tool_call>', '[TOOL_CALLS]', '[ARGS]', '<|python_tag|>'],
      ...[
        ...['<|start|>', '<|channel|>', '<|message|>', '<|end|>', 'analysis', ' to=functions.f'],
        '<|START_ACTION|>',
        '<|END_ACTION|>',
        ...['<function=f>', '</function>', '<parameter=text>', '</parameter>'],
        ...['Action:', '<tool_calls>', '</tool_calls>', '<|python_start|>', '<|python_end|>', '[f(a=1)]'],
        ...['<｜tool▁calls▁begin｜>', '<｜tool▁sep｜>', '<｜tool▁calls▁end｜>', '```tool_code', '```'],
        '{"name":"f","arguments":{}}',
        '{',
        ' ',
        '\n',
        'word',
        '<',
        ']',
      ],
    );
    const family = fc.constantFrom(...(Object.keys(templates) as (keyof typeof templates)[]));
    fc.assert(
      fc.property(family, fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(60)), (name, pieces, cuts) => {
        const text = pieces.join('');
        const ends = [...cuts.filter((cut) => cut < text.length), text.length].sort((a, b) => a - b);
        const parts = ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end));
        const whole = parse(name, [text]);
        expect(parse(name, parts)).toEqual(whole);
        const words = (value: string) => value.split('word').length;
        // Headers of messages are not shown.
        if (name !== 'harmony') expect(words(JSON.stringify(whole))).toBe(words(text));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('calls while they are written', () => {
  const written: [keyof typeof templates, string, number][] = [
    [
      'qwen',
      '<tool_call>\n{"name": "f", "arguments": {"a": "x{\\"", "b": [1]}}\n</tool_call> <tool_call>{"name":"g","arguments":{}}</tool_call>',
      2,
    ],
    [
      'mistral',
      '[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"arguments": {}, "name": "g"}, {"name": "h", "arguments": {"x": "]"}}]',
      2,
    ],
    ['mistral', '[TOOL_CALLS]f[ARGS]{"a": {"b": "}"}}[TOOL_CALLS]g[CALL_ID]x1[ARGS]{"c": 1}', 2],
    ['llama', '{"name": "f", "parameters": {"a": "b"}}', 1],
    [
      'deepseek',
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{"a": 1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{"b": 2}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
      2,
    ],
    [
      'deepseek',
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a": "x"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
      1,
    ],
    [
      'harmony',
      '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|end|><|start|>assistant to=functions.g<|channel|>commentary<|message|>{"b": 2}',
      2,
    ],
    [
      'command',
      '<|START_ACTION|>[\n {"tool_call_id": "0", "tool_name": "f", "parameters": {"q": 1}}\n]<|END_ACTION|>',
      1,
    ],
    ['jamba', '<tool_calls>[\n{"name":"f","arguments":{"a":"name"}}\n]</tool_calls>', 1],
  ];
  it.each(written)('are told in %s: %s', (family, text, count) => {
    const read = (pieces: readonly string[]) => {
      const parser = new ReplyParser(
        replyFormat(templateOf(templates[family]), TOOLS)!,
        '<|start|>assistant',
      );
      return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()];
    };
    const events = read([...text]);
    const begun = begunCalls(events);
    expect(begun.size).toBe(count);
    // Piece by piece, and before the call is whole.
    for (const { pieces, arguments: args } of begun.values()) expect(pieces).toBe(args.length);
    const told = (all: readonly ReplyEvent[]) =>
      [...begunCalls(all)].map(([i, { name, arguments: args }]) => [i, name, args]);
    for (let at = 0; at <= text.length; at++)
      expect(told(read([text.slice(0, at), text.slice(at)]))).toEqual(told(events));
    expect(merged(events).filter(({ type }) => type === 'call').length).toBeGreaterThanOrEqual(count);
  });

  it('are told by another number after one that came to nothing', () => {
    const parser = new ReplyParser(replyFormat(templateOf(templates.qwen), TOOLS)!);
    const events = parser.push(
      '<tool_call>{"name":"f","arguments":{"a"</tool_call><tool_call>{"name":"g","arguments":{}}</tool_call>',
    );
    expect(events.filter(({ type }) => type !== 'callDelta')).toEqual([
      { type: 'content', text: '<tool_call>{"name":"f","arguments":{"a"</tool_call>' },
      { type: 'call', index: 1, name: 'g', arguments: '{}' },
    ]);
    expect([...begunCalls(events).keys()]).toEqual([0, 1]);
  });
});

describe('an only answer', () => {
  const cases: [string, string, string, string, Told[]][] = [
    [
      'thoughts, then an answer that spells marks',
      '</think>',
      '<think>Hm.</think>\n\n{"a":"<think>"}',
      '',
      [reasoning('Hm.'), content('{"a":"<think>"}')],
    ],
    ['an answer alone', '</think>', '{"a":"</think><think>"}', '', [content('{"a":"</think><think>"}')]],
    [
      'an answer behind opened thoughts',
      '</think>',
      'Hm.</think>{}',
      '<think>\n',
      [reasoning('Hm.'), content('{}')],
    ],
    [
      'a channel that spells its end',
      '<|channel|> <|message|>',
      '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>{"a":"<|end|><|start|>"}',
      '<|start|>assistant',
      [reasoning('Hm.'), content('{"a":"<|end|><|start|>"}')],
    ],
    [
      'a response between marks',
      '<|START_THINKING|>',
      '<|START_RESPONSE|>{"a":"<|END_RESPONSE|> "}<|END_RESPONSE|>',
      '',
      [content('{"a":"<|END_RESPONSE|> "}')],
    ],
  ];
  it.each(cases)('is read: %s', (_, source, text, prompt, expected) => {
    const format = answerSyntax(templateOf(source))!.format;
    expectHoweverCut(() => new ReplyParser(format, prompt), text, expected);
  });

  const calls: [keyof typeof templates, string, Told[]][] = [
    [
      'qwen',
      '<think>Hm.</think>\n\n<tool_call>\n{"name": "f", "arguments": {"a":"</tool_call>"}}\n</tool_call>',
      [reasoning('Hm.'), call('f', { a: '</tool_call>' })],
    ],
    [
      'harmony',
      '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a":"<|end|>"}',
      [call('f', { a: '<|end|>' })],
    ],
    [
      'mistral',
      '[TOOL_CALLS] [{"name": "f", "arguments": {"a":"[TOOL_CALLS]"}}]',
      [call('f', { a: '[TOOL_CALLS]' })],
    ],
    [
      'command',
      '<|START_ACTION|>[\n    {"tool_call_id":"0","tool_name":"f","parameters":{}}\n]<|END_ACTION|>',
      [call('f', {})],
    ],
    [
      'commandR',
      'Action: ```json\n[\n    {"tool_name":"f","parameters":{"a":"Action:"}}\n]```',
      [call('f', { a: 'Action:' })],
    ],
    [
      'deepseek',
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{"a":"```"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
      [call('f', { a: '```' })],
    ],
    ['jamba', '<tool_calls>[\n{"name":"f","arguments":{}}\n]</tool_calls>', [call('f', {})]],
    ['llama', '{"name": "f", "parameters": {"a":"<|python_tag|>"}}', [call('f', { a: '<|python_tag|>' })]],
  ];
  it.each(calls)('is read as a call: %s', (family, text, expected) => {
    const { format } = forcedCall(templateOf(templates[family]), TOOLS)!;
    expectHoweverCut(() => new ReplyParser(format, '<|start|>assistant'), text, expected);
  });
});

function expectHoweverCut(make: () => ReplyParser, text: string, expected: Told[]): void {
  const read = (pieces: readonly string[]) => {
    const parser = make();
    return merged([...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]);
  };
  expect(read([text])).toEqual(expected);
  expect(read([...text])).toEqual(expected);
  for (let at = 0; at <= text.length; at++)
    expect(read([text.slice(0, at), text.slice(at)])).toEqual(expected);
}

describe('reply format', () => {
  it('takes calls for content where no tool was offered', () => {
    const text = '<tool_call>{"name":"f","arguments":{}}</tool_call>';
    expect(parse('qwen', [text], '', [])).toEqual([content(text)]);
  });

  it('knows which templates mark what', () => {
    expect(replyFormat(templateOf('{{ messages }}'), TOOLS)).toBeUndefined();
    expect(readsToolCalls(templateOf('<tool_call> <arg_key>'))).toBe(false);
    expect(readsToolCalls({ ...templateOf('plain'), toolSource: templates.mistral })).toBe(true);
    expect(replyFormat(templateOf(templates.llama), [])).toBeUndefined();
  });
});
