/** The text of a file, by what it holds. Formats that are parsed at length are read in a thread with bounds. */

import { documentText } from './document-text.ts';
import { ExtractError } from './extract-error.ts';
import { htmlText } from './html-text.ts';

/** Bytes of text that a file may hold when unpacked. */
const MAX_TEXT = 64 * 1024 * 1024;

/** @throws ExtractError for a file that is no text, is damaged, or is too much to read */
export async function extractText(content: Buffer, filename: string, signal: AbortSignal): Promise<string> {
  const text = await rawText(content, filename, signal);
  if (text.length > MAX_TEXT)
    throw new ExtractError(
      'invalid_file',
      `The file has ${text.length} characters, expected at most ${MAX_TEXT}.`,
    );
  // What databases do not take: NUL, and halves of characters.
  return Buffer.from(text.replaceAll('\0', '')).toString();
}

async function rawText(content: Buffer, filename: string, signal: AbortSignal): Promise<string> {
  if (content.subarray(0, 1_024).includes('%PDF-')) return documentText('pdf', content, signal);
  if (content.subarray(0, 4).equals(Buffer.from('PK\x03\x04'))) {
    if (/\.docx$/i.test(filename)) return documentText('docx', content, signal);
    throw unsupported(filename, 'is an archive');
  }
  const text = decoded(content, filename);
  return /\.(html?|xhtml)$/i.test(filename) || /^\s*<(!doctype html|html)\b/i.test(text)
    ? htmlText(text)
    : text;
}

function decoded(content: Buffer, filename: string): string {
  const [first, second] = content;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  if (encoding === 'utf-8' && content.includes(0)) throw unsupported(filename, 'is not text');
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(content);
  } catch {
    throw unsupported(filename, 'is not text in UTF-8 or UTF-16');
  }
}

function unsupported(filename: string, why: string): ExtractError {
  return new ExtractError(
    'unsupported_file',
    `'${filename}' ${why}; expected text of any kind (txt, md, json, csv, code), HTML, PDF or DOCX.`,
  );
}
