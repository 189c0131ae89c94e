/** Prometheus metrics: what requests did, and what the engines of the loaded models hold. Traces are not here. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Used } from './access/usage-meter.ts';
import {
  registerEngineMetrics,
  registerProcessMetrics,
  type Measured,
} from './telemetry/collected-metrics.ts';
import { BoundedLabels } from './telemetry/bounded-labels.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const TOKEN_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5];
const TOKENS_PER_SECOND = [1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280];

export class Metrics {
  readonly registry = new Registry();
  /** What is not for everybody who may read the rest. */
  readonly projectRegistry = new Registry();
  readonly #projects = new BoundedLabels();
  readonly #codes = new BoundedLabels();
  readonly #requests = this.#counter(
    'http_requests_total',
    'Requests by endpoint and status; a stream counts when it starts.',
    ['endpoint', 'status'],
  );
  readonly #duration = this.#histogram(
    'http_request_duration_seconds',
    'Time to the answer, for a stream to its first event.',
    ['endpoint'],
  );
  readonly #errors = this.#counter('errors_total', 'Requests answered with an error, by its code.', ['code']);
  readonly #queueWait = this.#histogram(
    'queue_wait_seconds',
    "Time that a request waited for a place in its model's engine.",
    ['model'],
  );
  readonly #firstToken = this.#histogram(
    'time_to_first_token_seconds',
    'Time from request to first token, loading and waiting with it.',
    ['endpoint', 'model'],
  );
  readonly #interToken = this.#histogram(
    'inter_token_seconds',
    'Time between two pieces of an answer, as the engine gives them.',
    ['model'],
    TOKEN_SECONDS,
  );
  readonly #speed = this.#histogram(
    'tokens_per_second',
    'Tokens per second of an answer, from its second token on.',
    ['model'],
    TOKENS_PER_SECOND,
  );
  readonly #generation = this.#histogram(
    'generation_duration_seconds',
    'Time from request to last token, streaming or not.',
    ['endpoint', 'model'],
  );
  readonly #prefix = this.#counter(
    'prefix_cache_requests_total',
    'Prompts of which a part was in the prefix cache (hit), or none (miss).',
    ['model', 'result'],
  );
  readonly #tokens = new Counter({
    name: 'steelyard_project_tokens_total',
    help: 'Tokens by project; of many projects, the last to come are counted together.',
    labelNames: ['project', 'kind'],
    registers: [this.projectRegistry],
  });
  readonly #upstream = this.#counter(
    'upstream_requests_total',
    'Requests sent to other providers, by their status or what went wrong.',
    ['upstream', 'outcome'],
  );

  readonly #tools = this.#counter(
    'tool_calls_total',
    'Calls of tools that the server runs, by what they belong to and how they ended.',
    ['source', 'outcome'],
  );

  constructor(measured: Measured) {
    const { lifecycle, queues } = measured;
    const registers = [this.registry];
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
    registerEngineMetrics(measured, this.registry);
    registerProcessMetrics(this.registry);
  }

  observeRequest(endpoint: string, status: number, seconds: number): void {
    this.#requests.inc({ endpoint, status: String(status) });
    this.#duration.observe({ endpoint }, seconds);
  }

  observeError(code: string): void {
    this.#errors.inc({ code: this.#codes.of(code) });
  }

  observeQueueWait(model: string, seconds: number): void {
    this.#queueWait.observe({ model }, seconds);
  }

  observeFirstToken(endpoint: string, model: string, seconds: number): void {
    this.#firstToken.observe({ endpoint, model }, seconds);
  }

  observeInterToken(model: string, seconds: number): void {
    this.#interToken.observe({ model }, seconds);
  }

  observeSpeed(model: string, tokensPerSecond: number): void {
    this.#speed.observe({ model }, tokensPerSecond);
  }

  observeGeneration(endpoint: string, model: string, seconds: number): void {
    this.#generation.observe({ endpoint, model }, seconds);
  }

  observePrefix(model: string, hit: boolean): void {
    this.#prefix.inc({ model, result: hit ? 'hit' : 'miss' });
  }

  observeTokens(project: string, { inputTokens, cachedTokens, outputTokens }: Used): void {
    const label = this.#projects.of(project);
    this.#tokens.inc({ project: label, kind: 'input' }, inputTokens);
    this.#tokens.inc({ project: label, kind: 'cached' }, cachedTokens);
    this.#tokens.inc({ project: label, kind: 'output' }, outputTokens);
  }

  observeUpstream(upstream: string, outcome: string): void {
    this.#upstream.inc({ upstream, outcome: this.#codes.of(outcome) });
  }

  observeTool(source: string, outcome: 'completed' | 'failed'): void {
    this.#tools.inc({ source, outcome });
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name: `steelyard_${name}`, help, labelNames, registers: [this.registry] });
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    buckets = SECONDS,
  ): Histogram<Label> {
    return new Histogram({
      name: `steelyard_${name}`,
      help,
      labelNames,
      buckets,
      registers: [this.registry],
    });
  }
}
