/**
 * Serves the files of the built-in pages, the chat's and those of the documentation: a handful, from memory, with a policy
 * that lets them load nothing else.
 */

import { chatPageFiles, type PageFile } from '@steelyard/web';
import type { Hono } from 'hono';
import type { AppEnv } from './app.ts';
import { ApiError } from './http/api-error.ts';

// No inline script or style, no other origin, no HTML from strings (trusted types).
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** What pages of documentation need too. */
const SHARED = new Set(['/colours.css', '/docs.css', '/docs.js', '/icon.svg']);

/** @param chat whether there is a chat page; without one the documentation is the first page */
export function mountPageFiles(app: Hono<AppEnv>, { chat }: { readonly chat: boolean }): void {
  let files: Promise<ReadonlyMap<string, PageFile>> | undefined;
  const load = () => {
    files ??= chatPageFiles().catch((error: unknown) => {
      files = undefined;
      throw new ApiError(503, (error as Error).message, { code: 'chat_page_missing', cause: error });
    });
    return files;
  };
  app.on(['GET'], ['/', '/:file{[a-z-]+\\.(js|css|svg)}'], async (c, next) => {
    const { path } = c.req;
    if (!chat && path === '/') return c.redirect('/docs');
    const file = chat || SHARED.has(path) ? (await load()).get(path) : undefined;
    if (!file) return next();
    return c.body(file.body, 200, {
      'content-type': file.type,
      'content-security-policy': PAGE_POLICY,
      'cache-control': 'no-cache',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    });
  });
}
