import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeInMessages, describesTools } from './described-tools.ts';
import { readPythonCalls } from './python-calls.ts';

const tools = [{ type: 'function', function: { name: 'f', description: 'F.' } }];
const call = (args: object) => ({ function: { name: 'f', arguments: JSON.stringify(args) } });

describe('tools described in the conversation', () => {
  it('are for templates of Gemma that have none', () => {
    expect(describesTools('<start_of_turn>')).toBe(true);
    expect(describesTools('<start_of_turn>{% if tools %}')).toBe(false);
    expect(describesTools('<|im_start|>')).toBe(false);
  });

  it('go before what the system says, and results to the user, who then speaks once', () => {
    const told = describeInMessages(
      [
        { role: 'developer', content: 'Be brief.' },
        { role: 'user', content: 'Go' },
        { role: 'assistant', content: null, tool_calls: [call({ a: 1 }), call({ b: [true, null] })] },
        { role: 'tool', content: 'one' },
        { role: 'tool', content: 'two' },
        { role: 'user', content: 'And?' },
      ],
      tools,
    );
    expect(told.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
    expect(told[0]?.content).toMatch(/\[\{"name":"f","description":"F\."\}\]\nBe brief\.$/);
    expect(told[2]?.content).toBe('[f(a=1), f(b=[True, None])]');
    expect(told[3]?.content).toBe('```tool_output\none\n```\n```tool_output\ntwo\n```\nAnd?');
  });

  it('show calls as they are read', () => {
    const name = fc.stringMatching(/^[a-z_]\w{0,8}$/);
    fc.assert(
      fc.property(fc.dictionary(name, fc.jsonValue({ maxDepth: 4 }), { noNullPrototype: true }), (args) => {
        const [, said] = describeInMessages([{ role: 'assistant', tool_calls: [call(args)] }], tools);
        const [read] = readPythonCalls(said?.content as string) ?? [];
        expect(JSON.parse(read?.arguments ?? '')).toEqual(JSON.parse(JSON.stringify(args)));
      }),
      { numRuns: 1000 },
    );
  });

  it('read any text without an error', () => {
    const piece = fc.constantFrom(
      '[',
      'f(',
      'a=',
      '1',
      "'",
      '"',
      '\\',
      '{',
      '}',
      ')',
      ']',
      ',',
      ' ',
      'print(',
      '```',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const calls = readPythonCalls(pieces.join(''));
        for (const { arguments: args } of calls ?? []) expect(typeof JSON.parse(args)).toBe('object');
      }),
      { numRuns: 5000 },
    );
    expect(readPythonCalls(`[f(a=${'['.repeat(10000)})]`)).toBeUndefined();
  });
});
