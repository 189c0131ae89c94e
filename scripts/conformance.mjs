/**
 * `npm run conformance`: the conformance suite of tests/conformance, and with `--json FILE` what it measured, as rows
 * {architecture, variant, format, backend, prefillError, decodeError, bound, reference}.
 */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { runNode } from './run.mjs';

const { values } = parseArgs({ options: { json: { type: 'string' } } });
if (values.json !== undefined) process.env.STEELYARD_CONFORMANCE_JSON = resolve(values.json);
// The WebAssembly kernels too: the page has a column for them.
await build({ quiet: true, all: true });
process.exitCode = await runNode(['node_modules/vitest/vitest.mjs', 'run', 'tests/conformance']);
