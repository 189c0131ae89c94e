/** Numbers that are read when somebody asks for them, so that an idle server computes nothing. */

import type { EngineStats } from '@steelyard/engine';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Lifecycle } from '../lifecycle.ts';
import type { EmbeddingProvider, ModelProvider } from '../model-provider.ts';
import type { Queues } from '../queue/queues.ts';

export interface Measured {
  readonly models: ModelProvider;
  readonly embeddingModels: EmbeddingProvider;
  readonly lifecycle: Lifecycle;
  readonly queues: Queues;
}

export function registerEngineMetrics({ models, embeddingModels }: Measured, registry: Registry): void {
  const loaded = () => models.loaded().map(({ model }) => model);
  const gauge = (name: string, help: string, read: (stats: EngineStats) => number) =>
    new Gauge({
      name: `steelyard_${name}`,
      help,
      labelNames: ['model'],
      registers: [registry],
      collect() {
        this.reset();
        for (const model of loaded()) this.set({ model: model.info.name }, read(model.stats()));
      },
    });
  const counter = (name: string, help: string, read: (stats: EngineStats) => number) =>
    new Counter({
      name: `steelyard_${name}`,
      help,
      labelNames: ['model'],
      registers: [registry],
      collect() {
        this.reset();
        for (const model of loaded()) this.inc({ model: model.info.name }, read(model.stats()));
      },
    });
  gauge('requests_running', 'Sequences that the engine computes now.', (s) => s.running);
  gauge('requests_waiting', 'Sequences in the engine queue.', (s) => s.waiting);
  gauge('kv_pages', 'KV cache pages in all.', (s) => s.pagesTotal);
  gauge('kv_pages_used', 'KV cache pages of requests.', (s) => s.pagesTotal - s.pagesFree - s.pagesCached);
  gauge('kv_pages_free', 'KV cache pages that hold nothing.', (s) => s.pagesFree);
  gauge('kv_pages_cached', 'KV cache pages kept only for prefix reuse.', (s) => s.pagesCached);
  counter('prompt_tokens_total', 'Prompt tokens taken in.', (s) => s.promptTokensTotal);
  counter('cached_tokens_total', 'Prompt tokens served from the prefix cache.', (s) => s.cachedTokensTotal);
  counter('completion_tokens_total', 'Tokens answered.', (s) => s.completionTokensTotal);
  counter('engine_steps_total', 'Forward passes.', (s) => s.stepsTotal);
  counter('guessed_tokens_total', 'Tokens computed ahead by guess.', (s) => s.guessedTokensTotal);
  counter('right_guesses_total', 'Guessed tokens that came.', (s) => s.rightGuessesTotal);
  counter('preemptions_total', 'Sequences put back for lack of pages.', (s) => s.preemptionsTotal);
  new Gauge({
    name: 'steelyard_memory_bytes',
    help: 'Memory that a model holds, by purpose; weights of files are mapped.',
    labelNames: ['model', 'purpose'],
    registers: [registry],
    collect() {
      this.reset();
      for (const model of loaded()) {
        for (const [purpose, bytes] of Object.entries(model.stats().memory)) {
          this.set({ model: model.info.name, purpose }, bytes);
        }
      }
    },
  });
  new Gauge({
    name: 'steelyard_models_loaded',
    help: 'Models in memory, by what they are for.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      this.set({ kind: 'language' }, models.loaded().length);
      this.set({ kind: 'embedding' }, embeddingModels.loaded().length);
    },
  });
}

/** By the names that Prometheus's clients agree on. */
export function registerProcessMetrics(registry: Registry): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('process_resident_memory_bytes', 'Memory of the process, pages of mapped weights with it.', () =>
    process.memoryUsage.rss(),
  );
  gauge(
    'nodejs_heap_size_used_bytes',
    'Memory of the JavaScript heap in use.',
    () => process.memoryUsage().heapUsed,
  );
  const started = Date.now() / 1000 - process.uptime();
  gauge('process_start_time_seconds', 'Start of the process in Unix seconds.', () => started);
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the process, all threads together.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}
