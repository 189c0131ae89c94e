/** Serves the built-in chat page: a handful of files, from memory, with a policy that lets it load nothing else. */

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

export function mountChatPage(app: Hono<AppEnv>): void {
  let files: Promise<ReadonlyMap<string, PageFile>> | undefined;
  const load = () => {
    files ??= chatPageFiles().catch((error: unknown) => {
      files = undefined;
      throw new ApiError(503, (error as Error).message, { code: 'chat_page_missing', cause: error });
    });
    return files;
  };
  app.on(['GET'], ['/', '/:file{[a-z-]+\\.(js|css|svg)}'], async (c, next) => {
    const file = (await load()).get(c.req.path);
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
