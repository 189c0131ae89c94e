/** Who may talk to the server at all: names it answers to (against DNS rebinding) and web origins. Keys are not here. */

import type { MiddlewareHandler } from 'hono';
import type { AppEnv, AppOptions } from '../app.ts';
import { COMPUTED_BY_HEADER } from '../upstreams/router.ts';
import { ApiError } from './api-error.ts';

const CORS_MAX_AGE_SECONDS = '600';
/** Headers of answers that pages elsewhere may read; SDKs wait by some of them before they try again. */
const EXPOSED = [
  ...['x-request-id', 'request-id', 'retry-after', 'retry-after-ms', 'content-disposition'],
  ...['limit', 'remaining', 'reset'].flatMap((what) => [
    `x-ratelimit-${what}-requests`,
    `x-ratelimit-${what}-tokens`,
  ]),
  COMPUTED_BY_HEADER,
].join(', ');

export function accessControl(options: AppOptions): MiddlewareHandler<AppEnv> {
  const checksHost = isLoopbackName(options.host) || (options.allowedHosts?.length ?? 0) > 0;
  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host;
    if (checksHost) checkHost(host, options.allowedHosts ?? []);
    const origin = c.req.header('origin');
    const crossOrigin = origin !== undefined && !isSameOrigin(origin, host);
    if (crossOrigin) checkOrigin(origin, options.allowedOrigins ?? []);
    if (crossOrigin && c.req.method === 'OPTIONS')
      return preflight(origin, c.req.header('access-control-request-headers'));
    await next();
    if (crossOrigin) {
      c.header('access-control-allow-origin', origin);
      c.header('access-control-expose-headers', EXPOSED);
      c.header('vary', 'Origin');
    }
  };
}

/** True for names that can only mean this machine. */
export function isLoopbackName(name: string): boolean {
  const bare = name.replace(/^\[|\]$/g, '').toLowerCase();
  return (
    bare === 'localhost' || bare.endsWith('.localhost') || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare)
  );
}

/** A page elsewhere can point its own name at 127.0.0.1; the Host header then still says that name. */
function checkHost(host: string, allowed: readonly string[]): void {
  const name = host.replace(/:\d+$/, '');
  if (isLoopbackName(name) || allowed.includes(name) || allowed.includes(host)) return;
  throw new ApiError(
    403,
    `Host '${host}' is not a name of this server, expected a loopback name. Allow it with the option allowedHosts.`,
    { code: 'host_not_allowed' },
  );
}

function isSameOrigin(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === host.toLowerCase();
  } catch {
    return false;
  }
}

function checkOrigin(origin: string, allowed: readonly string[]): void {
  if (allowed.includes('*') || allowed.includes(origin)) return;
  throw new ApiError(
    403,
    `Origin '${origin}' may not call this server. Allow it with the option allowedOrigins.`,
    { code: 'origin_not_allowed' },
  );
}

/** Headers asked for are allowed: SDKs in browsers add their own, and the origin has been checked. */
function preflight(origin: string, requestedHeaders: string | undefined): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-allow-headers': requestedHeaders ?? 'authorization, content-type',
      'access-control-max-age': CORS_MAX_AGE_SECONDS,
      vary: 'Origin',
    },
  });
}
