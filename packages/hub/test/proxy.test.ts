/** Proxies of the environment are used, except for what no_proxy names; plain http stays on this machine. */

import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { pull } from '../src/index.ts';
import { fakeHub } from './fake-hub.ts';
import { randomBytesOf, serve } from './serve.ts';
import { FAST, temporaryStore } from './temporary-store.ts';

describe('proxy', () => {
  it('is taken from http_proxy, in either case, and left out for no_proxy', async () => {
    await using hub = await fakeHub({ 'm.gguf': randomBytesOf(3000, 1) });
    const asked: string[] = [];
    const proxy = createServer();
    proxy.on('connect', (request, socket) => {
      asked.push(request.url ?? '');
      const [host, port] = (request.url ?? '').split(':');
      const target = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        target.pipe(socket).pipe(target);
      });
      target.on('error', () => socket.destroy());
      socket.on('error', () => target.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      await using place = await temporaryStore();
      const options = { store: place.store, ...FAST };
      await pull('hf:owner/repo', {
        ...options,
        env: { ...hub.env, HTTP_PROXY: address, no_proxy: '127.0.0.1' },
      });
      expect(asked).toEqual([]);
      await pull('hf:owner/repo', { ...options, env: { ...hub.env, HTTP_PROXY: address } });
      expect(asked.length).toBeGreaterThan(0);
      expect(new Set(asked)).toEqual(new Set([hub.host]));
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  it('does not follow a redirect to plain http elsewhere', async () => {
    await using server = await serve((_, response) =>
      response.writeHead(302, { location: 'http://192.0.2.1/m.gguf' }).end(),
    );
    await using place = await temporaryStore();
    const tried = pull(`${server.url}/m.gguf`, { store: place.store, env: {}, ...FAST });
    await expect(tried).rejects.toThrow(/only https/);
  });
});
