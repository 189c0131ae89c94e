/** A collector of traces, for tests: takes OTLP over HTTP as JSON, and shows what it got. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly failed: boolean;
  /** Nanoseconds. */
  readonly start: bigint;
  readonly end: bigint;
}

interface Value {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values: readonly Value[] };
}

interface Attribute {
  readonly key: string;
  readonly value: Value;
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string;
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly kind: number;
        readonly attributes: readonly Attribute[];
        readonly status: { readonly code?: number };
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
      }[];
    }[];
  }[];
}

export interface Receiver {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** Every body, as it came. */
  readonly bodies: string[];
  readonly headers: Readonly<Record<string, unknown>>[];
  readonly resource: Readonly<Record<string, unknown>>;
  close(): void;
}

function plain({ key: _, value }: Attribute): unknown {
  return plainValue(value);
}

function plainValue(value: Value): unknown {
  if (value.arrayValue) return value.arrayValue.values.map(plainValue);
  const number = value.intValue ?? value.doubleValue;
  return value.stringValue ?? value.boolValue ?? (number === undefined ? undefined : Number(number));
}

const record = (attributes: readonly Attribute[]) =>
  Object.fromEntries(attributes.map((attribute) => [attribute.key, plain(attribute)]));

export async function startReceiver(status = 200): Promise<Receiver> {
  const received = {
    spans: [] as ReceivedSpan[],
    bodies: [] as string[],
    headers: [] as Record<string, unknown>[],
  };
  let resource: Record<string, unknown> = {};
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    request.on('end', () => {
      received.bodies.push(body);
      received.headers.push({ ...request.headers, ':path': request.url });
      for (const one of (JSON.parse(body) as Export).resourceSpans) {
        resource = record(one.resource.attributes);
        for (const span of one.scopeSpans.flatMap(({ spans }) => spans)) {
          received.spans.push({
            ...{ name: span.name, traceId: span.traceId, spanId: span.spanId, kind: span.kind },
            parentSpanId: span.parentSpanId || undefined,
            attributes: record(span.attributes),
            failed: span.status.code === 2,
            start: BigInt(span.startTimeUnixNano),
            end: BigInt(span.endTimeUnixNano),
          });
        }
      }
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...received,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    get resource() {
      return resource;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
