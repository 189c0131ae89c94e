/** What a configuration means for the server and its models: the other end of `schema.ts`. */

import { readFile } from 'node:fs/promises';
import type { ServerLimits, TracingOptions } from '@steelyard/server';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import type { ServedOptions } from '../served-models.ts';
import type { ServeOptions } from '../services.ts';
import type { ServeConfig } from './schema.ts';

/** Everything but the models themselves and what belongs to the command. */
export type ConfiguredOptions = Omit<ServeOptions, 'models' | 'dataDirectory'>;

export function servedOptions(config: ServeConfig): ServedOptions {
  return {
    names: config.models,
    model: {
      backend: config.backend,
      threads: config.threads,
      contextLength: config.context,
      kvDType: config.kvCacheDtype,
      memoryBytes: config.modelMemory,
      expertsOnDisk: config.expertsOnDisk,
      speculation: config.speculation,
    },
    memoryBytes: config.memory,
    keepAliveMs: config.keepAlive,
  };
}

/** @throws UsageError for a policy that cannot be read */
export async function configuredOptions(
  config: ServeConfig,
  context: CommandContext,
): Promise<ConfiguredOptions> {
  const { apiKey, keys, databaseUrl, routes, limits } = config;
  const { deadline, headers, silence, request, stall, drain, tool, ...sizes } = limits;
  return {
    host: config.host,
    port: config.port,
    allowedHosts: config.allowHosts,
    allowedOrigins: config.allowOrigins,
    receiptsAlways: config.receipts,
    prices: config.prices,
    limits: {
      ...sizes,
      deadlineMs: deadline,
      headersMs: headers,
      silenceMs: silence,
      requestMs: request,
      stallMs: stall,
      drainMs: drain,
      toolMs: tool,
      // Each limit of the server can be set.
    } satisfies ServerLimits,
    env: context.env,
    mcp: config.mcp,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(keys === undefined ? {} : { keys }),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(routes === undefined ? {} : { routes }),
    ...(config.requestLog ? { requestLog: (entry) => context.note(JSON.stringify(entry)) } : {}),
    logContent: config.logContent,
    ...(await moderationOf(config.moderation)),
    ...s3Of(config.s3),
  };
}

/** @throws UsageError for a policy that cannot be read */
export async function moderationOf({
  model,
  policyFile,
}: ServeConfig['moderation']): Promise<Pick<ServeOptions, 'moderation'>> {
  if (model === undefined) return {};
  if (policyFile === undefined) return { moderation: { model } };
  const policy = await readFile(policyFile, 'utf8').catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new UsageError(`moderation.policyFile: ${policyFile} cannot be read (${code})`);
  });
  return { moderation: { model, policy } };
}

function s3Of({ bucket, endpoint, region, prefix }: ServeConfig['s3']): Pick<ServeOptions, 's3'> {
  if (bucket === undefined) return {};
  return {
    s3: {
      bucket,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      ...(prefix === undefined ? {} : { prefix }),
    },
  };
}

/** What `openTracing` needs; undefined where nothing is traced. */
export function tracingOptions(
  { telemetry }: ServeConfig,
  { env, note }: Pick<CommandContext, 'env' | 'note'>,
  serviceVersion: string,
): TracingOptions | undefined {
  const { endpoint, tracesEndpoint, headers = '', serviceName, sample, off } = telemetry;
  const url = tracesEndpoint ?? (endpoint && `${endpoint.replace(/\/+$/, '')}/v1/traces`);
  if (off || url === undefined || env['OTEL_TRACES_EXPORTER'] === 'none') return undefined;
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] ?? env['OTEL_EXPORTER_OTLP_PROTOCOL'];
  if (protocol && protocol !== 'http/json')
    note(`warning: traces are sent as http/json, not as ${protocol}: the collector must take that at ${url}`);
  const pairs = headers.split(',').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at < 0 ? [] : [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())]];
  });
  return {
    ...{ url, serviceName, serviceVersion, sample },
    headers: Object.fromEntries(pairs) as Record<string, string>,
    onError: (message) => note(`warning: ${message}`),
  };
}

/** Values come percent-encoded, as W3C's baggage has them; one that is not is taken as it is. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
