import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { post } from '../test/requests.ts';
import { providerOf } from './model-provider.ts';
import { createServer } from './server.ts';
import { BoundedLabels } from './telemetry/bounded-labels.ts';

type Samples = ReadonlyMap<string, number>;

/** Every sample by name and labels. @throws Error for a line that is not of the format */
function parse(text: string): Samples {
  const samples = new Map<string, number>();
  const kinds = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    const kind = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (kind) {
      kinds.set(kind[1]!, kind[2]!);
      continue;
    }
    const sample =
      /^([a-z_][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)$/.exec(line);
    if (!sample) throw new Error(`not a sample: ${line}`);
    const [, name, labels = '', value] = sample as unknown as [string, string, string | undefined, string];
    if (!kinds.has(name) && !kinds.has(name.replace(/_(bucket|sum|count)$/, '')))
      throw new Error(`no type: ${line}`);
    if (samples.has(name + labels)) throw new Error(`twice: ${line}`);
    samples.set(name + labels, Number(value));
  }
  return samples;
}

const server = () =>
  createServer({
    models: providerOf([createStubModel({ name: 'tiny', delayMs: 2 })]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    chatPage: false,
  }).app;

it('what is scraped parses, and moves with what the server does', async () => {
  const app = server();
  const scrape = async () => parse(await (await app.request('/metrics')).text());
  const before = await scrape();
  const ask = { model: 'tiny', messages: [{ role: 'user', content: 'one two three four five six' }] };
  for (let i = 0; i < 2; i++) expect((await post(app, '/v1/chat/completions', ask)).status).toBe(200);
  await (await post(app, '/v1/chat/completions', { ...ask, stream: true })).text();
  expect((await post(app, '/v1/embeddings', { model: 'vectors', input: 'x y' })).status).toBe(200);
  expect((await post(app, '/v1/chat/completions', { ...ask, model: 'none' })).status).toBe(404);
  expect((await app.request('/v1/nothing')).status).toBe(404);
  const after = await scrape();
  const moved = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);

  expect(moved('steelyard_http_requests_total{endpoint="/v1/chat/completions",status="200"}')).toBe(3);
  expect(moved('steelyard_http_requests_total{endpoint="/v1/chat/completions",status="404"}')).toBe(1);
  expect(moved('steelyard_errors_total{code="model_not_found"}')).toBe(1);
  expect(moved('steelyard_errors_total{code="unknown_url"}')).toBe(1);
  const chat = '{endpoint="/v1/chat/completions",model="tiny"}';
  expect(moved(`steelyard_time_to_first_token_seconds_count${chat}`)).toBe(3);
  expect(moved(`steelyard_time_to_first_token_seconds_sum${chat}`)).toBeGreaterThan(0);
  expect(moved(`steelyard_generation_duration_seconds_count${chat}`)).toBe(3);
  expect(moved('steelyard_queue_wait_seconds_count{model="tiny"}')).toBe(3);
  expect(moved('steelyard_queue_wait_seconds_count{model="vectors"}')).toBe(1);
  expect(moved('steelyard_inter_token_seconds_count{model="tiny"}')).toBeGreaterThanOrEqual(3 * 4);
  expect(moved('steelyard_tokens_per_second_count{model="tiny"}')).toBe(3);
  const hits = moved('steelyard_prefix_cache_requests_total{model="tiny",result="hit"}');
  expect(hits + moved('steelyard_prefix_cache_requests_total{model="tiny",result="miss"}')).toBe(3);
  expect(moved('steelyard_completion_tokens_total{model="tiny"}')).toBeGreaterThan(0);
  expect(moved('steelyard_project_tokens_total{project="default",kind="output"}')).toBe(
    moved('steelyard_completion_tokens_total{model="tiny"}'),
  );
  expect(moved('steelyard_project_tokens_total{project="default",kind="input"}')).toBeGreaterThan(0);
  for (const name of ['kv_pages', 'kv_pages_used', 'kv_pages_free', 'kv_pages_cached'])
    expect(after.has(`steelyard_${name}{model="tiny"}`), name).toBe(true);
  expect(after.get('steelyard_models_loaded{kind="language"}')).toBe(1);
  expect(after.get('steelyard_models_loaded{kind="embedding"}')).toBe(1);
  expect(after.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  expect(after.get('process_cpu_seconds_total')).toBeGreaterThan(0);
});

it('counts what waits and what runs while it does', async () => {
  const { app } = createServer({
    models: providerOf([createStubModel({ name: 'tiny', delayMs: 5 })]),
    chatPage: false,
    limits: { sequencesPerModel: 1 },
  });
  const ask = { model: 'tiny', messages: [{ role: 'user', content: 'word '.repeat(100) }] };
  const answers = Array.from({ length: 3 }, () => post(app, '/v1/chat/completions', ask));
  const text = async () => parse(await (await app.request('/metrics')).text());
  const waiting = async () => {
    const now = await text();
    return [
      now.get('steelyard_generation_requests_active'),
      now.get('steelyard_queue_waiting{model="tiny"}'),
    ];
  };
  await expect.poll(waiting).toEqual([3, 2]);
  await Promise.all(answers);
  const later = await text();
  expect(later.get('steelyard_generation_requests_active')).toBe(0);
  // One waited for one answer, one for two.
  expect(later.get('steelyard_queue_wait_seconds_sum{model="tiny"}')).toBeGreaterThan(0.1);
});

it('keeps the number of series within bounds', () => {
  const labels = new BoundedLabels(2);
  expect(['a', 'b', 'c', 'a', 'd'].map((label) => labels.of(label))).toEqual([
    'a',
    'b',
    'other',
    'a',
    'other',
  ]);
});

it('the dashboard asks for nothing that is not measured', async () => {
  const dashboard = readFileSync(new URL('../../../deploy/grafana.json', import.meta.url), 'utf8');
  const scraped = await (await server().request('/metrics')).text();
  const measured = new Set([...scraped.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
  const asked = [...dashboard.matchAll(/\b(?:steelyard|process)_\w+/g)].map(([name]) =>
    name.replace(/_bucket$/, ''),
  );
  expect(asked.length).toBeGreaterThan(10);
  expect(asked.filter((name) => !measured.has(name))).toEqual([]);
});
