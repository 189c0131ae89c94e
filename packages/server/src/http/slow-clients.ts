/** Connections that nobody reads from, or that go on sending after their answer: closed, so that they hold nothing. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** Milliseconds that a client gets to read an answer that came before it had sent everything. */
const LINGER_MS = 5_000;

/** Closes connections of which nothing was read for so long while something waited to be; silence alone closes none. */
export function closeUnread(server: Server, stallMs: number): void {
  server.setTimeout(stallMs, (socket) => {
    if (socket.writableLength > 0) socket.destroy();
  });
}

/** An answer that needed no body, or refused it: the rest of the body has some seconds to come. */
export function closeUnsent(request: IncomingMessage, response: ServerResponse, lingerMs = LINGER_MS): void {
  response.once('finish', () => {
    if (request.complete) return;
    setTimeout(() => request.complete || request.socket.destroy(), lingerMs).unref();
  });
}
