/** What may be computed elsewhere, where, and what never: as a person writes it down. */

import { RequestError } from '@steelyard/core';
import { isThisMachine } from '@steelyard/core/node';
import { z } from 'zod';
import { paramPath } from '../http/validate.ts';
import { readKey, type Environment } from './read-key.ts';

const upstreamSchema = z.strictObject({
  /** Of its API, with the version: `https://api.example.com/v1`. */
  url: z.url(),
  /** Name of the environment variable that holds the key. */
  key_env: z.string().min(1).optional(),
  /** File that holds the key. */
  key_file: z.string().min(1).optional(),
  /** Milliseconds of silence after which it counts as down. Default 60 000. */
  timeout_ms: z.int().min(1).optional(),
});

const routeSchema = z.strictObject({
  /** As requests name it; with `*` at its end, all that begin so. */
  model: z.string().min(1),
  upstream: z.string(),
  /** As the upstream names it. Default: as requests do. */
  upstream_model: z.string().min(1).optional(),
  /**
   * `local-only`: never there; `prefer-local`: there when it is not served here, does not fit, is too busy or the request
   * is too large; `prefer-cloud`: there, here when that fails; `cloud-only`: there.
   */
  policy: z.enum(['local-only', 'prefer-local', 'prefer-cloud', 'cloud-only']),
  /** For `prefer-local`. */
  spill: z
    .strictObject({
      /** Requests that wait for the model, from which on more go there. */
      waiting: z.int().min(1).optional(),
      /** Tokens of a prompt, estimated by four bytes each, above which it goes there. */
      prompt_tokens: z.int().min(1).optional(),
    })
    .optional(),
});

export const routingSchema = z
  .strictObject({
    upstreams: z.record(
      z.string().regex(/^[\w.-]+$/, 'expected letters, digits, dots and dashes'),
      upstreamSchema,
    ),
    routes: z.array(routeSchema),
    /**
     * Whether what is kept here may leave with a request that refers to it: conversations, earlier responses, items, files
     * that are searched. Labels of the requests that it came with are not kept with it. Default `local`: only responses that
     * the same upstream computed, which has all of it already.
     */
    kept: z.enum(['local', 'any']).optional(),
    /** What each label of data allows; a label that is not here stays. `restricted` always stays. */
    labels: z.record(z.string(), z.enum(['local', 'any'])).default({}),
    /** The label of everything that a project asks, by the project's id, whatever its requests say besides. */
    projects: z.record(z.string(), z.string()).default({}),
  })
  .superRefine((routing, context) => {
    if (routing.labels[RESTRICTED] === 'any')
      context.addIssue({
        code: 'custom',
        path: ['labels', RESTRICTED],
        message: 'data labelled so never leaves',
      });
    routing.routes.forEach(({ upstream }, i) => {
      if (Object.hasOwn(routing.upstreams, upstream)) return;
      const known = Object.keys(routing.upstreams).join(', ') || 'none';
      context.addIssue({
        code: 'custom',
        path: ['routes', i, 'upstream'],
        message: `no such upstream; there are: ${known}`,
      });
    });
    for (const [name, { url, key_env, key_file }] of Object.entries(routing.upstreams)) {
      const { protocol, hostname, username, password } = new URL(url);
      const at = ['upstreams', name, 'url'];
      if (protocol !== 'https:' && !(protocol === 'http:' && isThisMachine(hostname)))
        context.addIssue({ code: 'custom', path: at, message: 'expected https, or http to this machine' });
      if (username || password)
        context.addIssue({
          code: 'custom',
          path: at,
          message: 'holds a password; give the key by key_env or key_file',
        });
      if (key_env && key_file)
        context.addIssue({
          code: 'custom',
          path: ['upstreams', name],
          message: 'has key_env and key_file; expected one',
        });
    }
  });

/** Data labelled so is computed here or not at all. */
export const RESTRICTED = 'restricted';

export type Routing = z.infer<typeof routingSchema>;
export type Route = Routing['routes'][number];

export interface Upstream {
  readonly name: string;
  readonly url: string;
  readonly timeoutMs: number;
  /** Sent to it and shown nowhere. */
  readonly key: () => string | undefined;
}

const TIMEOUT_MS = 60_000;

/** @throws RequestError naming the field that is wrong */
export function parseRouting(value: unknown, name: string): Routing {
  const read = routingSchema.safeParse(value);
  if (read.success) return read.data;
  const issue = read.error.issues[0]!;
  throw new RequestError(`${name}: ${paramPath(issue.path) || 'the file'}: ${issue.message}`, 'routing');
}

/** @throws RequestError for a key that is not there */
export function upstreamsOf(routing: Routing, env: Environment): Map<string, Upstream> {
  return new Map(
    Object.entries(routing.upstreams).map(([name, { url, timeout_ms, ...place }]) => {
      const key = readKey(`upstream '${name}'`, place, env, 'routing');
      return [
        name,
        { name, url: url.replace(/\/+$/, ''), timeoutMs: timeout_ms ?? TIMEOUT_MS, key: () => key },
      ];
    }),
  );
}
