/**
 * JavaScript of the packages for which TypeScript emits declarations only: each entry of `exports` with what it imports of
 * its own package. Node takes its time for every file, and `steelyard run` would load hundreds.
 */

import { build } from 'esbuild';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './run.mjs';

/** @throws Error where a source cannot be bundled */
export async function bundlePackages() {
  for (const name of readdirSync(join(root, 'packages'))) {
    const folder = join(root, 'packages', name);
    const { compilerOptions } = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8'));
    if (compilerOptions.emitDeclarationOnly) await bundle(folder);
  }
}

async function bundle(folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: Object.values(exports).map(({ source }) => source),
    outbase: 'src',
    outdir: 'dist',
    // What entries share lies in dist itself, so that only sources in src itself can find files by `import.meta.url`.
    chunkNames: 'part-[hash]',
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'neutral',
    target: 'es2023',
    sourcemap: true,
    write: false,
    logLevel: 'warning',
  });
  const wanted = new Set(outputFiles.map(({ path }) => path));
  const there = readdirSync(join(folder, 'dist'), { recursive: true }).map((path) =>
    join(folder, 'dist', path),
  );
  for (const path of there) if (/\.js(\.map)?$/.test(path) && !wanted.has(path)) rmSync(path);
  for (const { path, contents } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    // A process that runs reads parts as it needs them: what did not change is left alone.
    if (!there.includes(path) || !readFileSync(path).equals(contents)) writeFileSync(path, contents);
  }
}
