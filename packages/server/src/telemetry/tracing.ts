/**
 * Spans of requests, in the terms of OpenTelemetry's conventions for HTTP and for generative AI. Without a tracer every
 * function here does nothing. What is asked and answered is in no span.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/
 */

import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
} from '@opentelemetry/api';
import type { Span, Tracer } from '@opentelemetry/api';

export interface Tracing {
  readonly tracer: Tracer;
  /** Where the headers (`traceparent`, `tracestate`) say that the request belongs. */
  readonly contextOf: (headers: Headers) => Context;
  /** Sends what is left. */
  readonly close: () => Promise<void>;
}

export type Attrs = Attributes;

/** A piece of work. Ends once; what comes later is ignored. */
export interface Traced {
  set(attributes: Attrs): void;
  /** A piece of it. @param startTime milliseconds since 1970; default now */
  child(name: string, attributes?: Attrs, options?: ChildOptions): Traced;
  /** @param failure as `error.type` has it */
  end(options?: { readonly failure?: string; readonly endTime?: number }): void;
}

export interface ChildOptions {
  readonly kind?: SpanKind;
  readonly startTime?: number;
}

export const UNTRACED: Traced = { set() {}, child: () => UNTRACED, end() {} };

/** One whose parent is a request elsewhere, or nothing. */
export function rootSpan(
  tracing: Tracing | undefined,
  { name, headers, kind = SpanKind.INTERNAL }: { name: string; headers?: Headers; kind?: SpanKind },
): Traced {
  if (!tracing) return UNTRACED;
  const parent = headers ? tracing.contextOf(headers) : ROOT_CONTEXT;
  return tracedSpan(tracing.tracer, parent, name, {}, { kind });
}

function tracedSpan(
  tracer: Tracer,
  parent: Context,
  name: string,
  attributes: Attrs,
  { kind = SpanKind.INTERNAL, startTime }: ChildOptions,
): Traced {
  const started = { kind, attributes, ...(startTime === undefined ? {} : { startTime }) };
  const span: Span = tracer.startSpan(name, started, parent);
  const context = trace.setSpan(parent, span);
  return {
    set: (more) => void span.setAttributes(more),
    child: (childName, childAttributes = {}, options = {}) =>
      tracedSpan(tracer, context, childName, childAttributes, options),
    end({ failure, endTime } = {}) {
      if (!span.isRecording()) return;
      if (failure !== undefined) {
        span.setAttribute('error.type', failure);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end(endTime);
    },
  };
}
