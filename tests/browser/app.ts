/** The test's part in the browser, a worker of the page: models through the WebAssembly backend, results posted home. */

import { createBrowserWasmBackend } from '@steelyard/backend-cpu/browser';
import { openModelBlob, openModelUrl } from '@steelyard/formats/browser';
import type { Backend } from '@steelyard/graph';
import { loadModel } from '@steelyard/models';
import { parseGolden, type Golden, type GoldenJson } from '../conformance/golden.ts';
import { measureOpened } from '../conformance/measure.ts';
import { PagedRunner } from '../conformance/paged-runner.ts';
import type { GoldenRow, Plan, Report } from './plan.ts';

type GoldenPlan = Plan['goldens'][number];

async function fetchGolden({ architecture, variant }: GoldenPlan): Promise<Golden> {
  const folder = `/golden/${architecture}/${variant}`;
  const json = (await (await fetch(`${folder}/golden.json`)).json()) as GoldenJson;
  const logits = new Float32Array(await (await fetch(`${folder}/logits.f32`)).arrayBuffer());
  return parseGolden({ architecture, variant, json, logits, files: [] });
}

async function measureGolden(backend: Backend, plan: GoldenPlan): Promise<GoldenRow[]> {
  const expected = await fetchGolden(plan);
  const rows: GoldenRow[] = [];
  for (const file of plan.files) {
    const opened = await openModelUrl(`/golden/${plan.architecture}/${plan.variant}/${file}`);
    const { prefill, decode } = await measureOpened(backend, expected, opened, false);
    opened.close();
    const golden = `${plan.architecture}/${plan.variant}`;
    rows.push({ backend: backend.description, golden, file, prefill, decode });
  }
  return rows;
}

/** The same through a Blob, as a page gets it from a file input. */
async function measureBlob(backend: Backend, plan: GoldenPlan): Promise<number> {
  const [file = ''] = plan.files;
  const response = await fetch(`/golden/${plan.architecture}/${plan.variant}/${file}`);
  const opened = await openModelBlob(await response.blob(), file);
  const { prefill } = await measureOpened(backend, await fetchGolden(plan), opened, false);
  opened.close();
  return prefill;
}

async function lastLogits(backend: Backend, { file, tokens }: NonNullable<Plan['large']>): Promise<number[]> {
  const opened = await openModelUrl(`/models/${file}`);
  const model = loadModel(opened, { pageSize: 32, kvDType: 'f32', contextLength: 64 });
  const runner = await PagedRunner.create(backend, model, 'f32', { pageSize: 32, sequences: 1, length: 32 });
  const logits = await runner.step([{ sequence: 0, start: 0, tokens }]);
  runner.dispose();
  opened.close();
  return [...logits.subarray(-model.config.vocabSize)];
}

async function run(plan: Plan): Promise<Report> {
  const descriptions: string[] = [];
  const rows: GoldenRow[] = [];
  const large: number[][] = [];
  let blobError: number | undefined;
  for (const { below, ...choice } of plan.backends) {
    const backend = await createBrowserWasmBackend({ kernels: '/kernels/', activations: 'int16', ...choice });
    descriptions.push(backend.description);
    // Never written, so that the system gives it no memory.
    if (below > 0) backend.allocateState('f16', [below / 2]);
    for (const golden of plan.goldens) rows.push(...(await measureGolden(backend, golden)));
    if (plan.goldens[0]) blobError ??= await measureBlob(backend, plan.goldens[0]);
    if (plan.large) large.push(await lastLogits(backend, plan.large));
    backend.dispose();
  }
  const found = { isolated: crossOriginIsolated, descriptions, rows, large };
  return { ...found, ...(blobError !== undefined && { blobError }) };
}

async function main(): Promise<void> {
  let report: Report;
  try {
    report = await run((await (await fetch('/app/plan.json')).json()) as Plan);
  } catch (error) {
    report = { error: (error as Error).stack ?? String(error) };
  }
  await fetch('/report', { method: 'POST', body: JSON.stringify(report) });
}

void main();
