/** A test program as a process of its own: sources are TypeScript, which Node 20 does not run, so one bundle stands for the build. */

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly finished: Promise<Finished>;
  /** What was written so far. */
  readonly written: { readonly stdout: string; readonly stderr: string };
}

export interface Bundle {
  /** For what starts it by itself. */
  readonly script: string;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): Started;
  remove(): void;
}

const migrations = join(import.meta.dirname, '..', '..', 'storage', 'migrations');

/** @param entry beside this file */
export async function bundleOf(entry: string): Promise<Bundle> {
  const name = entry.replace(/\.ts$/, '');
  // Below the package, so that its dependencies are found.
  const folder = join(import.meta.dirname, '..', 'build', `${name}-${process.pid}`);
  await build({
    configFile: false,
    logLevel: 'error',
    ssr: { noExternal: [/^@steelyard\//], resolve: { conditions: ['source'] } },
    build: {
      ssr: join(import.meta.dirname, entry),
      outDir: join(folder, 'dist'),
      minify: false,
      // All in one folder: files of a package are found from the folder of its sources.
      rollupOptions: { output: { entryFileNames: `${name}.mjs`, chunkFileNames: '[name]-[hash].mjs' } },
    },
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ version: '0.0.0', type: 'module' }));
  cpSync(migrations, join(folder, 'migrations'), { recursive: true });
  const script = join(folder, 'dist', `${name}.mjs`);
  return {
    script,
    start: (args, env = {}) => start(script, args, env),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function start(script: string, args: readonly string[], env: Readonly<Record<string, string>>): Started {
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, NO_COLOR: '1', ...env },
  });
  const written = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (written.stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (written.stderr += chunk.toString('utf8')));
  const finished = new Promise<Finished>((resolve) =>
    child.on('close', (code) => resolve({ code, ...written })),
  );
  return { child, finished, written };
}
