/** Uploads to an app without a socket. */

import type { Hono } from 'hono';
import type { AppEnv } from '../src/app.ts';

export function upload(
  app: Hono<AppEnv>,
  fields: Record<string, string | File>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return Promise.resolve(app.request('/v1/files', { method: 'POST', body, headers }));
}
