import { expect, it } from 'vitest';
import { docxOf, pdfOf, zipOf } from '../../test/documents.ts';
import { extractText } from './extract-text.ts';

const { signal } = new AbortController();
const extract = (content: Buffer | string, name: string) => extractText(Buffer.from(content), name, signal);

it.each<[string, Buffer | string, string]>([
  ['a.md', '# Grüße\n', '# Grüße\n'],
  ['a.txt', Buffer.from('\uFEFFGrüße', 'utf16le'), 'Grüße'],
  [
    'a.html',
    '<html><head><title>no</title></head><body><h1>One</h1><script>no()</script><p>Two &amp; <b>three</b></p></body>',
    'One\n\nTwo & three',
  ],
  ['a', '<!DOCTYPE html><p>told by its content', 'told by its content'],
  ['a.html', '<p>never <closed', 'never'],
  ['a.pdf', pdfOf('The text of a page.'), 'The text of a page.'],
  ['a.docx', docxOf('A paragraph &amp; more.'), 'A paragraph & more.\n\n'],
])('reads %s: %#', async (name, content, text) => {
  expect(await extract(content, name)).toBe(text);
});

it.each<[string, Buffer, string, string]>([
  ['a picture', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0]), 'unsupported_file', 'is not text'],
  ['another encoding', Buffer.from([0xe9, 0x20]), 'unsupported_file', 'UTF-8 or UTF-16'],
  ['an archive', zipOf({ a: 'b' }), 'unsupported_file', 'is an archive'],
])('refuses %s', async (_, content, code, message) => {
  const error = await extract(content, 'a.bin').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) as string });
});

it.each<[string, Buffer]>([
  ['a.pdf', Buffer.from('%PDF-1.4\nnothing')],
  ['a.pdf', pdfOf('cut').subarray(0, 200)],
  ['a.docx', docxOf('cut').subarray(0, 90)],
  ['a.docx', zipOf({ 'word/other.xml': '<a/>' })],
])('tells of damage in %s: %#', async (name, content) => {
  const error = await extract(content, name).catch((thrown: unknown) => thrown);
  // A reader may also find nothing in it; it never ends the server.
  if (error instanceof Error) expect(error).toMatchObject({ code: 'invalid_file' });
  else expect(error).toEqual(expect.any(String));
});
