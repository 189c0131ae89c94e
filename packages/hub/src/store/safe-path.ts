/** Names from outside become paths of this disk only through here. */

import { FormatError } from '@steelyard/core';

const MAX_PATH = 400;
const MAX_PARTS = 8;
// Names that Windows gives to devices, whatever their extension.
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * Returns `path` when it stays inside the folder it will be joined to, on every platform.
 * @param from where the name comes from, for the message
 * @throws FormatError
 */
export function checkRelativePath(path: string, from: string): string {
  const reason = whyUnsafe(path);
  if (reason === undefined) return path;
  throw new FormatError(
    `${from}: file name ${JSON.stringify(path.slice(0, MAX_PATH))} ${reason}; expected a plain relative path; ` +
      'the source is damaged or hostile, and nothing of it was kept',
  );
}

function whyUnsafe(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (path.length > MAX_PATH) return `is longer than ${MAX_PATH} characters`;
  if (path.includes('\\') || path.includes(':')) return 'holds a backslash or colon';

  if (/[\u0000-\u001f\u007f<>"|?*]/.test(path)) return 'holds characters that file systems refuse';
  const parts = path.split('/');
  if (parts.length > MAX_PARTS) return `is deeper than ${MAX_PARTS} folders`;
  for (const part of parts) {
    if (part === '') return 'is absolute or has an empty part';
    if (part === '.' || part === '..') return `holds the part '${part}'`;
    if (/[. ]$/.test(part)) return 'has a part that ends in a dot or space';
    if (DEVICE.test(part)) return `names the device '${part}'`;
  }
  return undefined;
}

/** A name for the store made of a text from outside: letters, digits, `.`, `_`, `-`. */
export function toModelName(text: string): string {
  const name = text
    .normalize('NFKC')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[-._]+|[-._]+$/g, '')
    .slice(0, 120);
  return name === '' || DEVICE.test(name) ? `model-${name}` : name;
}
