/**
 * The WebAssembly backend in Chromium: a page served with the headers for shared memory loads tiny golden models and one
 * of a published size in a worker, in one thread and in two, below 4 GiB of addresses and above, and results are compared
 * here. `CHROMIUM` names a browser.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { wasmAvailability } from '@steelyard/backend-cpu';
import { createReferenceBackend } from '@steelyard/backend-reference';
import { openModel } from '@steelyard/formats/node';
import { loadModel } from '@steelyard/models';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, openPage } from '../../scripts/browser/chromium.mjs';
import { startSite, type Site } from '../../scripts/browser/serve.mjs';
import { boundOf } from '../conformance/backends.ts';
import { listGoldens } from '../conformance/goldens.ts';
import { relativeError } from '../conformance/measure.ts';
import { PagedRunner } from '../conformance/paged-runner.ts';
import type { BackendPlan, Plan, Report } from './plan.ts';

const root = join(import.meta.dirname, '../..');
const chromium = findChromium();
const { available, reason } = wasmAvailability();
const skipped = !chromium
  ? 'no Chromium here: install it (Debian: apt-get install chromium), or name one in CHROMIUM'
  : !available && reason;
const wasm = { name: 'wasm' };
const TOKENS = [11, 4096, 40000];

async function bundle(folder: string): Promise<void> {
  await build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: 'error',
    base: '/app/',
    worker: { format: 'es' },
    build: {
      outDir: folder,
      minify: false,
      target: 'es2023',
      lib: { entry: join(import.meta.dirname, 'page.ts'), formats: ['es'], fileName: () => 'page.js' },
    },
  });
  writeFileSync(
    join(folder, 'page.html'),
    '<!doctype html><script type="module" src="/app/page.js"></script>',
  );
}

/** GGUF files only: a page has no folders. */
function goldenPlans(): Plan['goldens'] {
  return listGoldens().flatMap(({ architecture, variant, files }) => {
    const names = files.map(({ path }) => basename(path)).filter((name) => name.endsWith('.gguf'));
    return names.length > 0 ? [{ architecture, variant, files: names }] : [];
  });
}

async function referenceLogits(path: string): Promise<Float32Array> {
  const opened = openModel(path);
  const model = loadModel(opened, { pageSize: 32, kvDType: 'f32', contextLength: 64 });
  const backend = createReferenceBackend();
  const runner = await PagedRunner.create(backend, model, 'f32', { pageSize: 32, sequences: 1, length: 32 });
  const logits = await runner.step([{ sequence: 0, start: 0, tokens: TOKENS }]);
  opened.close();
  return logits.slice(-model.config.vocabSize);
}

describe.skipIf(skipped)(`in ${chromium?.version ?? `Chromium (skipped: ${String(skipped)})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'browser-test-'));
  const model = '135m-q4_0.gguf';
  const counts = availableParallelism() > 1 ? [1, 2] : [1];
  const backends: BackendPlan[] = [
    ...counts.map((threads) => ({ threads, weightBytes: 0, below: 0 })),
    ...counts.map((threads) => ({ threads, weightBytes: 5 * 2 ** 30, below: 5 * 2 ** 30 })),
  ];
  let report: Report;
  let reference: Float32Array;

  beforeAll(async () => {
    await bundle(folder);
    execFileSync(process.execPath, [
      join(root, 'bench/make-model.mjs'),
      '--shape',
      '135m',
      join(folder, model),
    ]);
    const plan: Plan = { backends, goldens: goldenPlans(), large: { file: model, tokens: TOKENS } };
    writeFileSync(join(folder, 'plan.json'), JSON.stringify(plan));
    const site: Site = await startSite({
      '/app/': folder,
      '/models/': folder,
      '/kernels/': join(root, 'packages/backend-cpu/build/wasm'),
      '/golden/': join(root, 'tests/golden/models'),
    });
    if (!chromium) throw new Error('no Chromium');
    const page = openPage(chromium, `${site.url}/app/page.html`);
    try {
      const reported = Promise.race([site.report(), page.ended]);
      reference = await referenceLogits(join(folder, model));
      report = (await reported) as Report;
    } finally {
      await page.close();
      await site.close();
    }
    if (report.error !== undefined) throw new Error(`in the page: ${report.error}`);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('runs relaxed SIMD in as many threads as were asked for, and 64-bit addresses where they are needed', () => {
    expect(report.isolated).toBe(true);
    expect(report.descriptions?.map((text) => text.split(', ').slice(1, 3).join(', '))).toEqual(
      ['relaxed-simd', 'relaxed-simd-64'].flatMap((variant) =>
        counts.map((count) => `${variant}, ${count} thread${count > 1 ? 's' : ''}`),
      ),
    );
  });

  it('computes every golden model from its GGUF files as transformers did', () => {
    const rows = report.rows ?? [];
    expect(rows.length).toBe(backends.length * goldenPlans().flatMap(({ files }) => files).length);
    const bounds = new Map(
      listGoldens().flatMap(({ architecture, variant, files }) =>
        files.map((file) => [`${architecture}/${variant} ${basename(file.path)}`, boundOf(wasm, file)]),
      ),
    );
    const wrong = rows.filter(
      ({ golden, file, prefill, decode }) =>
        !(Math.max(prefill, decode) < (bounds.get(`${golden} ${file}`) ?? 0)),
    );
    expect(wrong).toEqual([]);
  });

  it('reads a Blob like a URL', () => {
    expect(report.blobError).toBeLessThan(boundOf(wasm, { quantised: true }));
  });

  it('computes a model of 135M parameters like the reference, in any number of threads and above 4 GiB alike', () => {
    const [one = [], ...others] = report.large ?? [];
    expect(relativeError(Float32Array.from(one), reference, reference.length)).toBeLessThan(
      boundOf(wasm, { quantised: true }),
    );
    expect(others.length).toBe(backends.length - 1);
    for (const other of others) expect(other).toEqual(one);
  });
});
