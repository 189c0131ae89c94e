/** Prometheus metrics: what requests did, and what the engines of the loaded models hold. Traces are not here. */

import type { EngineStats, LanguageModel } from '@steelyard/engine';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Lifecycle } from './lifecycle.ts';
import type { Queues } from './queue/queues.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

type Loaded = () => readonly LanguageModel[];

export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<'endpoint' | 'status'>;
  readonly #duration: Histogram<'endpoint'>;
  readonly #generation: Histogram<'endpoint' | 'model'>;
  readonly #firstToken: Histogram<'endpoint' | 'model'>;

  constructor(loaded: Loaded, lifecycle: Lifecycle, queues: Queues) {
    const registers = [this.registry];
    this.#requests = new Counter({
      name: 'steelyard_http_requests_total',
      help: 'Requests by endpoint and status; a stream counts when it starts.',
      labelNames: ['endpoint', 'status'],
      registers,
    });
    this.#duration = new Histogram({
      name: 'steelyard_http_request_duration_seconds',
      help: 'Time to the answer, for a stream to its first event.',
      labelNames: ['endpoint'],
      buckets: SECONDS,
      registers,
    });
    this.#generation = new Histogram({
      name: 'steelyard_generation_duration_seconds',
      help: 'Time from request to last token, streaming or not.',
      labelNames: ['endpoint', 'model'],
      buckets: SECONDS,
      registers,
    });
    this.#firstToken = new Histogram({
      name: 'steelyard_time_to_first_token_seconds',
      help: 'Time from request to first token.',
      labelNames: ['endpoint', 'model'],
      buckets: SECONDS,
      registers,
    });
    new Gauge({
      name: 'steelyard_generation_requests_active',
      help: 'Generation requests admitted and not ended.',
      registers,
      collect() {
        this.set(lifecycle.active);
      },
    });
    new Gauge({
      name: 'steelyard_queue_waiting',
      help: "Requests that wait for a place in a model's engine.",
      labelNames: ['model'],
      registers,
      collect() {
        this.reset();
        for (const [model, waiting] of queues.waiting()) this.set({ model }, waiting);
      },
    });
    registerEngineMetrics(loaded, this.registry);
  }

  observeRequest(endpoint: string, status: number, seconds: number): void {
    this.#requests.inc({ endpoint, status: String(status) });
    this.#duration.observe({ endpoint }, seconds);
  }

  observeFirstToken(endpoint: string, model: string, seconds: number): void {
    this.#firstToken.observe({ endpoint, model }, seconds);
  }

  observeGeneration(endpoint: string, model: string, seconds: number): void {
    this.#generation.observe({ endpoint, model }, seconds);
  }
}

/** Engine numbers are read at scrape time, so an idle server computes nothing. */
function registerEngineMetrics(loaded: Loaded, registry: Registry): void {
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
  gauge('kv_pages_free', 'KV cache pages that hold nothing.', (s) => s.pagesFree);
  gauge('kv_pages_cached', 'KV cache pages kept only for prefix reuse.', (s) => s.pagesCached);
  counter('prompt_tokens_total', 'Prompt tokens taken in.', (s) => s.promptTokensTotal);
  counter('cached_tokens_total', 'Prompt tokens served from the prefix cache.', (s) => s.cachedTokensTotal);
  counter('completion_tokens_total', 'Tokens answered.', (s) => s.completionTokensTotal);
  counter('engine_steps_total', 'Forward passes.', (s) => s.stepsTotal);
  counter('preemptions_total', 'Sequences put back for lack of pages.', (s) => s.preemptionsTotal);
  registerMemory(loaded, registry);
}

function registerMemory(loaded: Loaded, registry: Registry): void {
  new Gauge({
    name: 'steelyard_memory_bytes',
    help: 'Memory that a model holds, by purpose.',
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
}
