/**
 * Whether this process may connect to other machines: the one place that knows, and the one that enforces it. Once
 * forbidden, every socket of the process, whoever opens it, is refused unless it leads to this machine or to an address that
 * was allowed by name; names of other machines are not even looked up. What goes out by another process, or through a
 * proxy on this machine, asks here first.
 */

import dgram from 'node:dgram';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { NetworkError } from '../errors.ts';

export interface EgressRules {
  /** Hosts, or hosts with ports (`db.internal:5432`), that may be connected to all the same. */
  readonly allowed?: readonly string[];
}

interface Target {
  readonly host: string;
  readonly port?: number | undefined;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

let rules: EgressRules | undefined;

/** Refused, because the process was told not to connect to other machines. */
export class EgressForbiddenError extends NetworkError {}

/**
 * Forbids connections to other machines from now on.
 * @returns what allows them again, for tests
 */
export function forbidEgress(given: EgressRules = {}): () => void {
  const before = rules;
  rules = given;
  if (before) return () => (rules = before);
  const restore = [guardSockets(), guardDatagrams(), ...guardNames()];
  syncBuiltinESMExports();
  return () => {
    rules = undefined;
    for (const undo of restore) undo();
    syncBuiltinESMExports();
  };
}

export function egressForbidden(): boolean {
  return rules !== undefined;
}

/**
 * For what does not connect by a socket of this process: a program that is run, a request through a proxy.
 * @param to the address, or a name for it
 * @throws EgressForbiddenError
 */
export function checkEgress(to: string | URL): void {
  const url = typeof to === 'string' ? undefined : to;
  const target = url && {
    host: url.hostname,
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
  };
  if (rules && !(target && isAllowed(target))) throw refusal(url ? url.host : String(to));
}

/** True for addresses and names that can only mean this machine. */
export function isThisMachine(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  const address = bare.replace(/^::ffff:/, '');
  return (
    bare === 'localhost' ||
    bare.endsWith('.localhost') ||
    bare === '::1' ||
    (net.isIPv4(address) && address.startsWith('127.'))
  );
}

function isAllowed({ host, port }: Target): boolean {
  if (!rules || isThisMachine(host)) return true;
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  const allowed = (rules.allowed ?? []).map((one) => one.toLowerCase());
  return allowed.includes(name) || (port !== undefined && allowed.includes(`${name}:${port}`));
}

function refusal(to: string): EgressForbiddenError {
  return new EgressForbiddenError(
    `no connection to ${to}: outgoing connections are forbidden here (--no-egress); ` +
      'allow this one by name with --allow-egress HOST:PORT, or do without it',
  );
}

/** TCP and what stands on it: HTTP, TLS, databases. */
function guardSockets(): () => void {
  return replace(net.Socket.prototype, 'connect', (original) => {
    return function connect(this: unknown, ...args) {
      const target = socketTarget(args);
      if (!target || isAllowed(target)) return original.apply(this, args);
      const socket = this as net.Socket & { connecting: boolean };
      const to = target.port === undefined ? target.host : `${target.host}:${target.port}`;
      // As a connection that fails: who opened it needs a moment to listen.
      socket.connecting = true;
      setImmediate(() => socket.destroy(refusal(to)));
      return socket;
    };
  });
}

/** Undefined for sockets of the file system. */
function socketTarget(args: readonly unknown[]): Target | undefined {
  // net.connect hands its arguments on in one array.
  const [first, second] = (Array.isArray(args[0]) ? args[0] : args) as readonly unknown[];
  if (typeof first === 'object' && first !== null) {
    const { path, host, port } = first as { path?: unknown; host?: unknown; port?: unknown };
    if (typeof path === 'string' && path !== '' && port === undefined) return undefined;
    return { host: typeof host === 'string' && host !== '' ? host : 'localhost', port: Number(port) };
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return undefined;
  return { host: typeof second === 'string' ? second : 'localhost', port: Number(first) };
}

function guardDatagrams(): () => void {
  const guard = (original: Method): Method =>
    function guarded(this: unknown, ...args) {
      // The message may be a text too; the address is the only other.
      const address = args.slice(1).find((arg) => typeof arg === 'string');
      const host = typeof address === 'string' ? address : 'localhost';
      if (!isAllowed({ host })) throw refusal(host);
      return original.apply(this, args);
    };
  const undo = [
    replace(dgram.Socket.prototype, 'send', guard),
    replace(dgram.Socket.prototype, 'connect', guard),
  ];
  return () => undo.forEach((one) => one());
}

/** A question to a name server tells it the name. */
function guardNames(): (() => void)[] {
  const callback = (original: Method): Method =>
    function guarded(this: unknown, ...args) {
      const host = String(args[0]);
      if (net.isIP(host) !== 0 || isAllowed({ host })) return original.apply(this, args);
      const done = args.at(-1);
      if (typeof done === 'function') process.nextTick(done, refusal(host));
      return undefined;
    };
  const promised = (original: Method): Method =>
    function guarded(this: unknown, ...args) {
      const host = String(args[0]);
      if (net.isIP(host) !== 0 || isAllowed({ host })) return original.apply(this, args);
      return Promise.reject(refusal(host));
    };
  const asking = (object: object) =>
    Object.keys(Object.getOwnPropertyDescriptors(object)).filter((key) =>
      /^(lookup|resolve|reverse)/.test(key),
    );
  const all = (object: object, guard: (original: Method) => Method) =>
    asking(object).map((key) => replace(object, key, guard));
  return [
    ...all(dns, callback),
    ...all(dns.promises, promised),
    ...all(Object.getPrototypeOf(dns.Resolver.prototype) as object, callback),
    ...all(dns.Resolver.prototype, callback),
    ...all(dns.promises.Resolver.prototype, promised),
  ];
}

function replace(object: object, key: string, guard: (original: Method) => Method): () => void {
  const methods = object as Record<string, Method>;
  const original = methods[key];
  if (typeof original !== 'function') return () => undefined;
  methods[key] = guard(original);
  return () => (methods[key] = original);
}
