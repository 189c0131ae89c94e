/** Sending spans to a collector by OTLP over HTTP, as JSON. The packages for it are loaded only where that is wanted. */

import { checkEgress } from '@steelyard/core/node';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Tracing } from './tracing.ts';

export interface TracingOptions {
  /** Of the collector, with its path: `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string;
  /** Sent along, such as a key. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Share of requests that are traced, 0 to 1; who asks with a trace decides for itself. */
  readonly sample: number;
  /** Told when spans could not be sent, at most once a minute. */
  readonly onError: (message: string) => void;
}

const COMPLAINT_MS = 60_000;
/** Milliseconds that the last spans may take when the server closes. */
const CLOSE_MS = 2_000;

/** @throws EgressForbiddenError where connections to it are forbidden */
export async function openTracing(options: TracingOptions): Promise<Tracing> {
  const { url, headers = {}, serviceName, serviceVersion, sample } = options;
  checkEgress(new URL(url));
  const [sdk, { OTLPTraceExporter }, resources, { W3CTraceContextPropagator }] = await Promise.all([
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/core'),
  ]);
  const exporter = complaining(new OTLPTraceExporter({ url, headers: { ...headers } }), options);
  const named = { 'service.name': serviceName, 'service.version': serviceVersion };
  const provider = new sdk.BasicTracerProvider({
    // OTEL_RESOURCE_ATTRIBUTES too.
    resource: resources
      .detectResources({ detectors: [resources.envDetector] })
      .merge(resources.resourceFromAttributes(named)),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(sample) }),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter)],
  });
  const propagator = new W3CTraceContextPropagator();
  return {
    tracer: provider.getTracer('steelyard', serviceVersion),
    contextOf: (given) =>
      propagator.extract(ROOT_CONTEXT, given, {
        get: (from: Headers, key: string) => from.get(key) ?? undefined,
        keys: (from: Headers) => [...from.keys()],
      }),
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), CLOSE_MS)));
      const sent = provider.shutdown().catch(() => undefined);
      const end = await Promise.race([sent, late]);
      clearTimeout(timer);
      if (end === 'late')
        options.onError(`the last traces could not be sent to ${new URL(url).host} within ${CLOSE_MS} ms`);
    },
  };
}

/** A collector that is away must be noticed, and must not fill the log. */
function complaining(exporter: SpanExporter, { url, onError }: TracingOptions): SpanExporter {
  let last = -Infinity;
  return {
    export(spans: ReadableSpan[], done) {
      exporter.export(spans, (result) => {
        if (result.error && performance.now() - last > COMPLAINT_MS) {
          last = performance.now();
          onError(`traces cannot be sent to ${new URL(url).host}: ${result.error.message || 'no answer'}`);
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
