import dgram from 'node:dgram';
import { lookup } from 'node:dns/promises';
import dns from 'node:dns';
import http from 'node:http';
import http2 from 'node:http2';
import net, { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkEgress, egressForbidden, EgressForbiddenError, forbidEgress, isThisMachine } from './egress.ts';

/** An address of documentation, which nobody has. */
const ELSEWHERE = '192.0.2.1';

interface Handle {
  connect: (this: unknown, ...args: unknown[]) => number;
  connect6: (this: unknown, ...args: unknown[]) => number;
}

/** Connections that reach the system, counted below everything that Node offers. */
function countConnections(): { readonly made: string[]; restore(): void } {
  const { TCP } = (process as unknown as { binding(name: string): { TCP: { prototype: Handle } } }).binding(
    'tcp_wrap',
  );
  const made: string[] = [];
  const { connect, connect6 } = TCP.prototype;
  const counted = (original: Handle['connect']): Handle['connect'] =>
    function (...args) {
      made.push(String(args[1]));
      return original.apply(this, args);
    };
  TCP.prototype.connect = counted(connect);
  TCP.prototype.connect6 = counted(connect6);
  return { made, restore: () => Object.assign(TCP.prototype, { connect, connect6 }) };
}

let counter: ReturnType<typeof countConnections>;
let allow: () => void;
beforeEach(() => {
  counter = countConnections();
  allow = forbidEgress({ allowed: ['db.internal:5432', '192.0.2.9'] });
});
afterEach(() => {
  allow();
  counter.restore();
});

const failure = (emitter: { once(event: 'error', heard: (error: unknown) => void): unknown }) =>
  new Promise<unknown>((resolve) => emitter.once('error', resolve));

/** The attempt has begun; whether it comes to anything does not matter. */
async function attempted(socket: net.Socket): Promise<void> {
  socket.on('error', () => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
}

function rootOf(error: unknown): unknown {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof EgressForbiddenError) return at;
  return error;
}

describe('forbidEgress', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['fetch', () => fetch(`http://${ELSEWHERE}/`).catch((error: unknown) => error)],
    ['fetch by name', () => fetch('https://example.invalid/').catch((error: unknown) => error)],
    ['http.get', () => failure(http.get(`http://${ELSEWHERE}/`))],
    ['http2', () => failure(http2.connect(`http://${ELSEWHERE}:81`))],
    ['tls', () => failure(tls.connect({ host: ELSEWHERE, port: 443 }))],
    ['net.connect', () => failure(net.connect(80, ELSEWHERE))],
    ['a socket of its own', () => failure(new net.Socket().connect({ host: '2001:db8::1', port: 80 }))],
    ['another port of a host allowed by port', () => failure(net.connect(5433, 'db.internal'))],
    ['WebSocket-like upgrade', () => failure(http.request({ host: ELSEWHERE, headers: { upgrade: 'x' } }))],
    ['lookup', () => lookup('example.invalid').catch((error: unknown) => error)],
    ['resolve', () => new Promise((resolve) => dns.resolve4('example.invalid', resolve))],
    [
      'a resolver',
      () => new dns.promises.Resolver().resolveTxt('example.invalid').catch((error: unknown) => error),
    ],
  ])('refuses %s, and no socket is opened', async (_, attempt) => {
    const error = await attempt();
    expect(rootOf(error)).toBeInstanceOf(EgressForbiddenError);
    expect(counter.made).toEqual([]);
  });

  it('refuses datagrams', () => {
    const socket = dgram.createSocket('udp4');
    expect(() => socket.send('x', 53, ELSEWHERE)).toThrow(/--no-egress/);
    expect(() => socket.connect(53, ELSEWHERE)).toThrow(EgressForbiddenError);
    socket.close();
  });

  it('lets through what leads to this machine', async () => {
    const server = createServer((socket) => socket.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    for (const host of ['127.0.0.1', 'localhost']) {
      const socket = net.connect({ port, host, family: 4 });
      expect(String((await once(socket, 'data'))[0])).toBe('hello');
      socket.destroy();
    }
    server.close();
    const path = join(tmpdir(), `steelyard-egress-${process.pid}.sock`);
    const local = createServer((socket) => socket.end('unix')).listen(path);
    await once(local, 'listening');
    const socket = net.connect(path);
    expect(String((await once(socket, 'data'))[0])).toBe('unix');
    local.close();
    expect(counter.made).toEqual(['127.0.0.1', '127.0.0.1']);
  });

  it('lets through what was allowed by name, and everything again once it is undone', async () => {
    const socket = net.connect(9, '192.0.2.9');
    await attempted(socket);
    expect(() => checkEgress(new URL('http://192.0.2.9/'))).not.toThrow();
    expect(() => checkEgress(new URL('https://example.com/'))).toThrow(
      /no connection to example\.com.*--allow-egress/,
    );
    expect(() => checkEgress('pip')).toThrow(EgressForbiddenError);
    expect(egressForbidden()).toBe(true);
    allow();
    expect(egressForbidden()).toBe(false);
    expect(() => checkEgress('pip')).not.toThrow();
    const open = net.connect(9, ELSEWHERE);
    await attempted(open);
    expect(counter.made).toContain('192.0.2.9');
    expect(counter.made).toContain(ELSEWHERE);
    allow = forbidEgress();
  });
});

describe('isThisMachine', () => {
  it('knows loopback in its spellings, and nothing that only looks like it', () => {
    for (const host of [
      'localhost',
      'a.localhost',
      '127.0.0.1',
      '127.9.9.9',
      '::1',
      '[::1]',
      '::ffff:127.0.0.1',
    ])
      expect(isThisMachine(host), host).toBe(true);
    for (const host of [
      '127.0.0.1.example.com',
      'localhost.example.com',
      '10.0.0.1',
      '0.0.0.0',
      '::2',
      '127.1.evil',
    ])
      expect(isThisMachine(host), host).toBe(false);
  });
});
