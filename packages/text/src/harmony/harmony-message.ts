/**
 * A message of gpt-oss's format by its header: channel `analysis` is reasoning, a recipient makes it a call, all else is
 * for the reader. Parts of a header may come in any order, and the recipient before or after the channel.
 * @see https://cookbook.openai.com/articles/openai-harmony
 */

import { scanArguments } from '../replies/call-scanner.ts';
import { parseJson, toCall } from '../replies/read-calls.ts';
import type { ReplySection } from '../replies/reply-format.ts';

const END = '<|end|>';

export function harmonyMessage(header: string): ReplySection {
  const open = `${header}<|message|>`;
  const channel = /<\|channel\|>\s*(\w+)/.exec(header)?.[1];
  const recipient = /(?:^|[\s>])to=([^\s<]+)/.exec(header)?.[1];
  if (recipient === undefined)
    return { kind: channel === 'analysis' ? 'reasoning' : 'content', open, close: END };
  const name = recipient.replace(/^functions\./, '');
  const read = (text: string) => {
    const call = toCall({ name, arguments: parseJson(text) });
    return call && [call];
  };
  return { kind: 'calls', open, close: END, read, scan: () => scanArguments(name) };
}
