/** Where models live when nobody says otherwise. */

import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * `STEELYARD_HOME`; else `steelyard` in the platform's data folder: `$XDG_DATA_HOME` or `~/.local/share` (Linux and
 * other Unix), `~/Library/Application Support` (macOS), `%LOCALAPPDATA%` (Windows).
 * @see https://specifications.freedesktop.org/basedir-spec/latest/ (relative values are ignored)
 */
export function defaultStoreRoot(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (env['STEELYARD_HOME']) return resolve(env['STEELYARD_HOME']);
  return join(dataFolder(env, platform), 'steelyard');
}

function dataFolder(env: Readonly<Record<string, string | undefined>>, platform: NodeJS.Platform): string {
  const home = env['HOME'] || homedir();
  const xdg = env['XDG_DATA_HOME'];
  if (xdg && isAbsolute(xdg)) return xdg;
  if (platform === 'win32') return env['LOCALAPPDATA'] || join(home, 'AppData', 'Local');
  if (platform === 'darwin') return join(home, 'Library', 'Application Support');
  return join(home, '.local', 'share');
}
