/** A site on this machine for pages under test: folders with ranges, cross-origin isolated, and reports that pages post. */

import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/**
 * `folders`: by path prefix, such as `/models/`. Resolves when it listens on 127.0.0.1. `report()` resolves to the next
 * JSON that a page posts to /report.
 */
export async function startSite(folders, { isolated = true } = {}) {
  const reports = [];
  const waiting = [];
  const server = createServer((request, response) => {
    if (isolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    const path = decodeURIComponent(new URL(request.url, 'http://site').pathname);
    if (request.method === 'POST' && path === '/report') return void receive(request, response);
    const prefix = Object.keys(folders).find((name) => path.startsWith(name));
    if (prefix === undefined) return void response.writeHead(404).end();
    sendFile(join(folders[prefix], normalize(`/${path.slice(prefix.length)}`)), request, response);
  });
  async function receive(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    response.writeHead(204).end();
    const report = JSON.parse(Buffer.concat(parts).toString());
    const taker = waiting.shift();
    if (taker) taker(report);
    else reports.push(report);
  }
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    report: () =>
      reports.length > 0 ? Promise.resolve(reports.shift()) : new Promise((resolve) => waiting.push(resolve)),
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function sendFile(path, request, response) {
  const status = statSync(path, { throwIfNoEntry: false });
  if (!status?.isFile()) return void response.writeHead(404).end();
  const headers = {
    'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Accept-Ranges': 'bytes',
  };
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = range ? Number(range[1]) : 0;
  const end = Math.min(range?.[2] ? Number(range[2]) : Infinity, status.size - 1);
  if (range && start > end) return void response.writeHead(416).end();
  if (range) headers['Content-Range'] = `bytes ${start}-${end}/${status.size}`;
  response.writeHead(range ? 206 : 200, { ...headers, 'Content-Length': Math.max(0, end - start + 1) });
  if (status.size === 0) return void response.end();
  createReadStream(path, { start, end })
    .on('error', () => response.destroy())
    .pipe(response);
}
