import { describe, expect, it } from 'vitest';
import { WordTokenizer } from '../word-tokenizer.ts';
import { constraintEbnf, type HeldConstraint } from './constraint.ts';
import { GuideMaker } from './guide-maker.ts';

const EOS = 0;
const tokenizer = new WordTokenizer();
const maker = new GuideMaker(tokenizer, 300);
const ebnf = (grammar: string): HeldConstraint => ({ type: 'ebnf', grammar });

/** Whether an answer may be this text, byte by byte, and end there. */
async function takes(constraint: HeldConstraint, text: string): Promise<boolean> {
  const guide = await maker.make({ constraint });
  try {
    // Each byte is a token, behind the one that ends the answer.
    for (const id of [...[...new TextEncoder().encode(text)].map((byte) => byte + 1), EOS]) {
      const mask = await guide.mask();
      if (((mask[id >> 5]! >>> (id & 31)) & 1) === 0) return false;
      guide.accept(id);
    }
    return true;
  } finally {
    guide.dispose();
  }
}

const sums = String.raw`
# Sums of numbers
root   ::= term (" " [+-] " " term)*   # no space at the ends
term   ::= number | "(" root ")"
number ::= "0" | [1-9] [0-9]{0,2}
`;

describe('ebnfGrammar', () => {
  it.each([
    [sums, ['0', '12 + (3 - 400)', '((7))'], ['', '01', '1 +', '1000', '(1', '1+2']],
    ['root ::= "a" root "b" | ""', ['', 'aabb'], ['aab', 'ba']],
    ['root ::= [^a-c\\n] .', ['dx', 'üa', '🦊🦊'], ['ad', 'd', '\nd']],
    ['root ::= "\\"\\\\\\n\\x41\\u00fc\\U0001F98A" [\\]\\-^]', ['"\\\nAü🦊]', '"\\\nAü🦊-'], ['"\\\nAü🦊a']],
    [
      'root ::= x{2} y{1,} z{0,1} w?\nx ::= "x"\ny ::= "y"\nz ::= "z"\nw ::= "w"',
      ['xxy', 'xxyyzw'],
      ['xy', 'xxyzz'],
    ],
    ['b ::= "b"\nroot ::= "a" | b\n', ['a', 'b'], ['ab']],
  ])('holds to %j', async (grammar, taken, refused) => {
    for (const text of taken) expect(await takes(ebnf(grammar), text), text).toBe(true);
    for (const text of refused) expect(await takes(ebnf(grammar), text), text).toBe(false);
  });

  it.each([
    ['', /no rule 'root'/],
    ['start ::= "a"', /no rule 'root'/],
    ['root ::= "a"\nroot ::= "b"', /line 2 defines 'root' once more/],
    ['root ::= "a" other', /'root' names the rule 'other'/],
    ['root ::= ("a"', /line 1: expected '\)', got the end/],
    ['root ::= "a\n"', /line 1: the text has no closing quote/],
    ['root ::= [a', /no closing '\]'/],
    ['root ::= [b-a]', /ends before it begins/],
    ['root ::= "a"\n)', /line 2: expected 'name ::='/],
    ['root ::= (="a") "b"', /line 1: expected a text/],
    ['root ::= "a"{2,1}', /ends before it begins/],
    ['root ::= "a"{1,5000}', /more than 4096 repetitions/],
    ['root ::= root "a" | "b"', /a rule begins with itself \('root' -> 'root'\)/],
    ['root ::= "a"? x\nx ::= y "c"\ny ::= root | "d"', /'root' -> 'x' -> 'y' -> 'root'/],
    [`root ::= ${'('.repeat(100)}"a"${')'.repeat(100)}`, /nest deeper than 64/],
  ])('refuses %j', (grammar, why) => {
    const refusal = expect.objectContaining({ code: 'request', param: 'grammar' }) as Error;
    expect(() => constraintEbnf(ebnf(grammar))).toThrow(refusal);
    expect(() => constraintEbnf(ebnf(grammar))).toThrow(why);
  });
});

describe('deep constraints', () => {
  it.each([
    ['groups', { type: 'regex', pattern: `${'('.repeat(800)}a${'|b)'.repeat(800)}` }, 'a'],
    ['repetitions', { type: 'regex', pattern: `${'(?:'.repeat(300)}a${'b)?'.repeat(300)}` }, 'bb'],
    ['lists', { type: 'json_schema', schema: deepList(30) }, `${'['.repeat(30)}""${']'.repeat(30)}`],
  ] as const)('of %s leave what compiles them whole', async (_, constraint, text) => {
    expect(await takes(constraint, text)).toBe(true);
    expect(await takes(constraint, `${text}!`)).toBe(false);
    expect(await takes(ebnf('root ::= "still there"'), 'still there')).toBe(true);
  });
});

function deepList(depth: number): object {
  return depth === 0 ? { type: 'string' } : { type: 'array', minItems: 1, items: deepList(depth - 1) };
}
