/**
 * The files of the chat page, and those that pages of documentation share with it, for a server to hand out, by URL path. Runs in Node; what runs in the browser is in
 * `page/`, compiled by the ordinary build to one module per file.
 */

import { readFile } from 'node:fs/promises';
import { NotFoundError } from '@steelyard/core';

export interface PageFile {
  readonly body: string;
  /** Value of the content-type header. */
  readonly type: string;
}

const HTML = 'text/html; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const IMAGE = 'image/svg+xml';

/** From `src` as from `dist`, both folders are beside the parent. */
const files = [
  ['/', '../static/index.html', HTML],
  ['/colours.css', '../static/colours.css', STYLE],
  ['/style.css', '../static/style.css', STYLE],
  ['/docs.css', '../static/docs.css', STYLE],
  ['/docs.js', '../dist/page/docs.js', SCRIPT],
  ['/icon.svg', '../static/icon.svg', IMAGE],
  ['/main.js', '../dist/page/main.js', SCRIPT],
  ['/chat-client.js', '../dist/page/chat-client.js', SCRIPT],
  ['/conversation.js', '../dist/page/conversation.js', SCRIPT],
  ['/markdown.js', '../dist/page/markdown.js', SCRIPT],
  ['/render.js', '../dist/page/render.js', SCRIPT],
] as const;

/** @throws NotFoundError when the page was not built */
export async function chatPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const entries = await Promise.all(
    files.map(async ([path, file, type]) => [path, { body: await read(file), type }] as const),
  );
  return new Map(entries);
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(new URL(file, import.meta.url), 'utf8');
  } catch (cause) {
    throw new NotFoundError(
      `chat page: ${file} is not there; expected it from the build. Run npm run build.`,
      {
        cause,
      },
    );
  }
}
