/** Tells this machine's own addresses: the only ones that plain http is allowed for. */

/** `host` as in `URL.hostname`, or with a port. */
export function isLoopback(host: string): boolean {
  const name = host
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}
