/**
 * Builds everything: TypeScript of all packages, then the native kernels where a compiler exists. The WebAssembly
 * kernels are built where that gave no native ones, with `--all`, and in CI.
 */

import { pathToFileURL } from 'node:url';
import { bundlePackages } from './bundle.mjs';
import { runNode } from './run.mjs';

/** @throws Error when a step fails */
export async function build({ quiet = false, all = false } = {}) {
  const say = quiet ? () => {} : (text) => console.error(text);
  say('building: TypeScript');
  if (await runNode(['node_modules/typescript/bin/tsc', '-b', 'tsconfig.build.json'])) {
    throw new Error('the TypeScript build failed; see the messages above');
  }
  await bundlePackages();
  say('building: native kernels');
  if (await runNode(['packages/backend-cpu/scripts/build.mjs', ...(quiet ? ['--quiet'] : [])])) {
    throw new Error('the native build failed; see the messages above');
  }
  const wasm = [...(all ? [] : ['--fallback']), ...(quiet ? ['--quiet'] : [])];
  if (await runNode(['packages/backend-cpu/scripts/build-wasm.mjs', ...wasm])) {
    throw new Error('the WebAssembly build failed; see the messages above');
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const all = process.argv.includes('--all') || process.env.CI !== undefined;
  await build({ quiet: process.argv.includes('--quiet'), all }).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
