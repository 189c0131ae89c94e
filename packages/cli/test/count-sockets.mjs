/**
 * Loaded before a test program: writes down, below everything that JavaScript could use, each connection to another
 * machine, question to a name server and program started, and lets none of them happen.
 */

import { appendFileSync } from 'node:fs';

const log = process.env.SOCKET_LOG;
const note = (what, to) => appendFileSync(log, `${what} ${to}\n`);
const isHere = (address) => address === '::1' || /^(::ffff:)?127\./.test(address);

// As libuv has them.
const ENETUNREACH = -101;
const EAI_NODATA = -3007;

// The only way to what stands below `net`; deprecated, for which there is no other.
process.removeAllListeners('warning');
const { TCP } = process.binding('tcp_wrap');
const { UDP } = process.binding('udp_wrap');
const cares = process.binding('cares_wrap');
const { Process } = process.binding('process_wrap');

function guard(object, name, whenIt) {
  const original = object[name];
  if (typeof original !== 'function') throw new Error(`this Node has no ${name} to watch`);
  object[name] = function (...args) {
    const refused = whenIt(args);
    return refused === undefined ? original.apply(this, args) : refused;
  };
}

for (const name of ['connect', 'connect6'])
  guard(TCP.prototype, name, ([, address, port]) => {
    if (isHere(address)) return undefined;
    note('tcp', `${address}:${port}`);
    return ENETUNREACH;
  });
for (const name of ['connect', 'connect6', 'send', 'send6'])
  guard(UDP.prototype, name, (args) => {
    const address = args.find((arg) => typeof arg === 'string');
    if (address === undefined || isHere(address)) return undefined;
    note('udp', address);
    return ENETUNREACH;
  });
guard(cares, 'getaddrinfo', ([, host]) => {
  if (host === 'localhost') return undefined;
  note('dns', host);
  return EAI_NODATA;
});
for (const name of Object.getOwnPropertyNames(cares.ChannelWrap.prototype).filter((one) =>
  /^(query|getHost)/.test(one),
))
  guard(cares.ChannelWrap.prototype, name, ([, host]) => {
    note('dns', host);
    return EAI_NODATA;
  });
guard(Process.prototype, 'spawn', ([options]) => {
  const { file, args } = options;
  if (/npm|pip|python|curl|git/.test(file)) {
    note('program', `${file} ${args.slice(1).join(' ')}`);
    // One that does nothing in its place.
    Object.assign(options, { file: 'false', args: ['false'] });
  }
  return undefined;
});
