/** Finds a Chromium on this machine and opens pages in it without a window. No driver: pages report over HTTP. */

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** What can be started, and its version; undefined where there is none. `CHROMIUM` names another. */
export function findChromium() {
  for (const name of process.env.CHROMIUM ? [process.env.CHROMIUM] : NAMES) {
    try {
      const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
      const version = execFileSync(name, ['--version'], options).trim();
      return { command: name, version };
    } catch {
      // The next one.
    }
  }
  return undefined;
}

/** Opens a page; call `close` to end the browser. Rejects `ended` when it ends by itself. */
export function openPage({ command }, url, extra = []) {
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
  const child = spawn(
    command,
    [
      '--headless=new',
      // Containers and continuous integration seldom allow what its sandbox needs; it only opens pages of ours.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-background-timer-throttling',
      '--disable-renderer-backgrounding',
      `--user-data-dir=${profile}`,
      ...extra,
      url,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.on('data', (text) => (log = (log + text).slice(-4000)));
  const ended = new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${command} ended with ${code}: ${log}`)));
  });
  ended.catch(() => undefined);
  return {
    ended,
    async close() {
      const gone = new Promise((resolve) => child.on('exit', resolve));
      if (child.exitCode === null && child.kill()) await gone;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
