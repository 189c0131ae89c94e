import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMarkdown, type Block, type Inline } from './markdown.ts';

describe('blocks', () => {
  it('reads headings, paragraphs, rules, quotes and code', () => {
    const text = '# Title\n\nOne\ntwo\n\n---\n> said\n> **so**\n\n```js\nlet a = "<b>";\n```\nend';
    expect(parseMarkdown(text)).toEqual([
      { tag: 'h1', children: ['Title'] },
      { tag: 'p', children: ['One\ntwo'] },
      { tag: 'hr' },
      {
        tag: 'blockquote',
        blocks: [{ tag: 'p', children: ['said\n', { tag: 'strong', children: ['so'] }] }],
      },
      { tag: 'pre', text: 'let a = "<b>";' },
      { tag: 'p', children: ['end'] },
    ]);
  });

  it('shows code whose end has not come yet', () => {
    expect(parseMarkdown('```\nhalf')).toEqual([{ tag: 'pre', text: 'half' }]);
  });

  it('keeps a shorter fence inside a longer one', () => {
    expect(parseMarkdown('````\n```\n````')).toEqual([{ tag: 'pre', text: '```' }]);
  });

  it('reads lists with their start, blank lines and continuations', () => {
    expect(parseMarkdown('3. a\n\n4. b\n   more\n\n- x\n* y')).toEqual([
      { tag: 'ol', start: 3, items: [['a'], ['b\nmore']] },
      { tag: 'ul', start: 1, items: [['x'], ['y']] },
    ]);
  });
});

describe('inlines', () => {
  const inlines = (text: string) => (parseMarkdown(text)[0] as { children: readonly Inline[] }).children;

  it('reads emphasis, code and links', () => {
    expect(inlines('a **b *c*** `d **e**` ~~f~~ _g_ [h](https://x.example/)')).toEqual([
      'a ',
      { tag: 'strong', children: ['b *c'] },
      '* ',
      { tag: 'code', children: ['d **e**'] },
      ' ',
      { tag: 'del', children: ['f'] },
      ' ',
      { tag: 'em', children: ['g'] },
      ' ',
      { tag: 'a', href: 'https://x.example/', children: ['h'] },
    ]);
  });

  it.each(['2 * 3 * 4', 'snake_case_name', '**not closed', '`', 'a ** b ** c'])('leaves %s alone', (text) => {
    expect(inlines(text)).toEqual([text]);
  });

  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt:x',
    'data:text/html,x',
    'vbscript:x',
    '/v1/models',
    '//evil.example',
  ])('makes no link to %s', (href) => {
    expect(inlines(`[x](${href})`)).toEqual([`[x](${href})`]);
  });

  it('leaves HTML as text', () => {
    expect(inlines('<img src=x onerror=alert(1)>')).toEqual(['<img src=x onerror=alert(1)>']);
  });
});

it('loses no letter of any text, and links nowhere unsafe', () => {
  const letters = (text: string) => text.replace(/[^a-c]/g, '');
  const piece = fc.constantFrom(
    'a',
    'b',
    'c',
    '*',
    '**',
    '_',
    '`',
    '```',
    '~~',
    '\n',
    '\n\n',
    '> ',
    '- ',
    '1. ',
    '# ',
    ' ',
    '[',
    '](',
    ')',
    'javascript:',
    '<a>',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const text = pieces.join('');
      // The language of a code block and the target of a link are all that is not shown.
      if (/^[> ]*(```|~~~)/m.test(text) || /\]\(/.test(text)) return;
      expect(letters(allText(parseMarkdown(text)))).toBe(letters(text));
    }),
    { numRuns: 500, seed: 1 },
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      for (const href of JSON.stringify(parseMarkdown(pieces.join(''))).matchAll(/"href":"([^"]*)"/g)) {
        expect(href[1]).toMatch(/^(https?|mailto):/);
      }
    }),
    { numRuns: 500, seed: 2 },
  );
});

it('takes a time that no text makes long', () => {
  for (const text of [
    '*'.repeat(50_000),
    '`'.repeat(50_000),
    '['.repeat(50_000),
    '> '.repeat(50_000),
    '_a '.repeat(3000),
    '** a'.repeat(2500),
  ]) {
    expect(parseMarkdown(text).length).toBeGreaterThan(0);
  }
});

function allText(blocks: readonly Block[]): string {
  return blocks
    .map((block) => {
      if (block.tag === 'hr') return '';
      if (block.tag === 'pre') return block.text;
      if (block.tag === 'blockquote') return allText(block.blocks);
      if ('items' in block) return block.items.flat().map(inlineText).join('');
      return block.children.map(inlineText).join('');
    })
    .join('');
}

function inlineText(inline: Inline): string {
  return typeof inline === 'string' ? inline : inline.children.map(inlineText).join('');
}
