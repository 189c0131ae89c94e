/** Binding a port without a gap between finding it free and holding it. */

import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RequestError } from '@steelyard/core';

export interface ListenOptions {
  readonly host: string;
  /** First port to try; 0 lets the system choose. */
  readonly port: number;
  /** Ports to try, counting up. Default 1. */
  readonly attempts?: number;
}

/**
 * Binds the server to the first free port from `port` on; the port is held from the moment it is found.
 * @returns the port bound
 * @throws RequestError when every port tried is taken, or the address cannot be bound
 */
export async function listenOnFreePort(server: Server, options: ListenOptions): Promise<number> {
  const attempts = Math.max(1, options.attempts ?? 1);
  const last = Math.min(65_535, options.port + attempts - 1);
  for (let port = options.port; port <= last; port++) {
    try {
      return await listenOnce(server, options.host, port);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // EACCES as well: some systems reserve ranges and answer so for a port that the next one up is free of.
      if ((code === 'EADDRINUSE' || code === 'EACCES') && port < last) continue;
      throw refusal(options.host, options.port, last, error);
    }
  }
  throw refusal(options.host, options.port, last, undefined);
}

function listenOnce(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => {
      server.off('listening', onListening);
      reject(error);
    };
    const onListening = () => {
      server.off('error', onError);
      resolve((server.address() as AddressInfo).port);
    };
    server.once('error', onError);
    server.once('listening', onListening);
    server.listen({ host, port, exclusive: true });
  });
}

function refusal(host: string, first: number, last: number, cause: unknown): RequestError {
  const range = first === last ? `port ${first}` : `ports ${first} to ${last}`;
  const reason = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'no port in range';
  const error = new RequestError(
    `server: could not bind ${range} on ${host} (${reason}); expected a free port. ` +
      'Stop the program that holds it, or choose another with --port.',
    'port',
  );
  error.cause = cause;
  return error;
}
