/** The server as a whole: routes on a socket, and an end that lets answers finish. */

import { once } from 'node:events';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { RequestError } from '@steelyard/core';
import { createApp, createServices } from './app.ts';
import type { Services } from './endpoint.ts';
import { isLoopbackName } from './http/access-control.ts';
import { listenOnFreePort } from './http/listen.ts';
import { closeUnread, closeUnsent } from './http/slow-clients.ts';
import { Lifecycle } from './lifecycle.ts';
import { speakMcp } from './mcp/over-streams.ts';
import { DEFAULT_LIMITS, type ServerOptions, type SteelyardServer, type StorageSource } from './options.ts';

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 8642;
/** Milliseconds that clients get to receive the end of their answers when the server closes. */
const FLUSH_MS = 1_000;
/** Milliseconds by which streams, which can say why, end before their connections do. */
const STREAM_FIRST_MS = 1_000;
/** Milliseconds after which storage is tried again that could not be opened. */
const STORAGE_RETRY_MS = 5_000;

/**
 * Makes the server; nothing is bound before `listen`.
 * @throws RequestError for an address that other machines reach, without a key
 * @example
 * const server = createServer({ models: providerOf([model]) });
 * const { url } = await server.listen();
 */
export function createServer(options: ServerOptions): SteelyardServer {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const host = options.host ?? DEFAULT_HOST;
  const keys = options.keys ?? (!isLoopbackName(host) && !options.apiKey && options.storage !== undefined);
  if (!isLoopbackName(host) && !options.apiKey && !keys) {
    throw new RequestError(
      `server: ${host} can be reached by other machines, and no key is asked for. Ask for keys (--keys), give one ` +
        '(--api-key or STEELYARD_API_KEY), or bind 127.0.0.1.',
      'host',
    );
  }
  if (keys && !options.storage) {
    throw new RequestError(
      'server: keys are kept in storage, and there is none. Give the option storage.',
      'keys',
    );
  }
  const lifecycle = new Lifecycle({ requests: limits.concurrentRequests, bytes: limits.concurrentBytes });
  const full = { ...options, host, limits, keys };
  const services = createServices(full, lifecycle);
  const app = createApp(full, lifecycle, services);
  // The global Request and Response stay as they are: this may be one library among others in a process.
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const open = new Set<ServerResponse>();
  const { headersMs } = limits;
  const http = createHttpServer(
    {
      headersTimeout: headersMs,
      // Bodies have limits of their own, where they are read: a large file may take its time.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(10_000, Math.max(10, Math.floor(headersMs / 4))),
    },
    (request, response) => {
      open.add(response);
      response.once('close', () => open.delete(response));
      closeUnsent(request, response);
      void listener(request, response);
    },
  );
  closeUnread(http, limits.stallMs + STREAM_FIRST_MS);

  return {
    app,
    async listen() {
      const port = await listenOnFreePort(http, {
        host,
        port: options.port ?? DEFAULT_PORT,
        attempts: options.portAttempts,
      });
      if (options.storage && (options.opensStorage ?? true)) void openStorage(services, lifecycle);
      const adminKey = keys && !options.apiKey ? await firstAdminKey(options.storage!) : undefined;
      const url = `http://${urlHost(host)}:${port}`;
      const needsKey = keys || options.apiKey !== undefined;
      return { url, host, port, needsKey, ...(adminKey ? { adminKey } : {}) };
    },
    notReady: (reason) => lifecycle.hold(reason),
    mcp: (streams) => speakMcp(services, streams),
    async close() {
      // Still listening: who looks after the server sees that it is not ready, and who asks is told to try again.
      await lifecycle.drain(limits.drainMs);
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      http.closeIdleConnections();
      // An answer that is generated still has its last bytes on the way.
      await Promise.race([
        Promise.all([...open].map((response) => once(response, 'close'))),
        sleep(FLUSH_MS, undefined, { ref: false }),
      ]);
      http.closeAllConnections();
      await closed;
    },
  };
}

/** Until it is open. What fails is told to the requests that need it too. */
async function openStorage(services: Services, lifecycle: Lifecycle): Promise<void> {
  let release = lifecycle.hold('opening the database');
  for (;;) {
    const failed = await services.storage().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    release();
    if (!failed) return;
    services.reportError(failed.error, 'start');
    release = lifecycle.hold('the database cannot be opened');
    await sleep(STORAGE_RETRY_MS, undefined, { ref: false });
    if (lifecycle.draining) return;
  }
}

/** @returns the key when none was there */
async function firstAdminKey(storage: StorageSource): Promise<string | undefined> {
  const { access, audit } = await storage();
  const created = await access.createFirstAdminKey();
  if (!created) return undefined;
  const { id, project, name } = created.key;
  await audit.append({
    action: 'key.created',
    project,
    actor: null,
    subject: id,
    details: { name, admin: true },
  });
  return created.secret;
}

/** The address as a person can open it: IPv6 in brackets, and "all addresses" as this machine. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
