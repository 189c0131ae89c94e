/** The server as a whole: routes on a socket, and an end that lets answers finish. */

import { once } from 'node:events';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { RequestError } from '@steelyard/core';
import { createApp } from './app.ts';
import { isLoopbackName } from './http/access-control.ts';
import { listenOnFreePort } from './http/listen.ts';
import { Lifecycle } from './lifecycle.ts';
import { DEFAULT_LIMITS, type ServerOptions, type SteelyardServer } from './options.ts';

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 8642;
/** Milliseconds that clients get to receive the end of their answers when the server closes. */
const FLUSH_MS = 1_000;

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
  if (!isLoopbackName(host) && !options.apiKey) {
    throw new RequestError(
      `server: ${host} can be reached by other machines, and no key is set. Give an API key ` +
        '(--api-key or STEELYARD_API_KEY), or bind 127.0.0.1.',
      'host',
    );
  }
  const lifecycle = new Lifecycle({ requests: limits.concurrentRequests, bytes: limits.concurrentBytes });
  const app = createApp({ ...options, host, limits }, lifecycle);
  // The global Request and Response stay as they are: this may be one library among others in a process.
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const open = new Set<ServerResponse>();
  const http = createHttpServer((request, response) => {
    open.add(response);
    response.once('close', () => open.delete(response));
    void listener(request, response);
  });

  return {
    app,
    async listen() {
      const port = await listenOnFreePort(http, {
        host,
        port: options.port ?? DEFAULT_PORT,
        attempts: options.portAttempts,
      });
      return { url: `http://${urlHost(host)}:${port}`, host, port };
    },
    async close() {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      http.closeIdleConnections();
      await lifecycle.drain(limits.drainMs);
      // An answer that is generated still has its last bytes on the way.
      await Promise.race([
        Promise.all([...open].map((response) => once(response, 'close'))),
        sleep(FLUSH_MS, undefined, { ref: false }),
      ]);
      http.closeAllConnections();
      if (http.listening) await closed;
    },
  };
}

/** The address as a person can open it: IPv6 in brackets, and "all addresses" as this machine. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
