/** The OpenAPI 3.1 document, made from the endpoints' own records. @see https://spec.openapis.org/oas/v3.1.1 */

import type { Endpoint } from '../endpoint.ts';
import { errorSchema } from '../http/error-bodies.ts';
import { Components } from './components.ts';
import { groupOf, groups } from './groups/index.ts';
import { querySchema, toJsonSchema, type JsonSchema } from './json-schema.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

type Content = Record<string, { readonly schema: JsonSchema }>;

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: true; readonly content: Content };
  readonly responses: Record<string, { readonly description: string; readonly content: Content }>;
}

export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly security: readonly Record<string, readonly string[]>[];
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    readonly schemas: Record<string, JsonSchema>;
    readonly securitySchemes: Record<string, unknown>;
  };
}

export function openApiDocument(endpoints: readonly Endpoint[], version: string): OpenApiDocument {
  const components = new Components();
  const paths: OpenApiDocument['paths'] = {};
  for (const endpoint of endpoints) {
    const path = endpoint.path.replaceAll('{+', '{');
    paths[path] = {
      ...paths[path],
      [endpoint.method.toLowerCase()]: operation(endpoint, components),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Steelyard',
      version,
      description: "OpenAI's API and its neighbours over open-weight models on this machine.",
    },
    servers: [{ url: '/' }],
    // Without keys the server asks for none.
    security: [{}, { bearer: [] }],
    tags: groups.map(({ title, text }) => ({ name: title, description: text })),
    paths,
    components: {
      schemas: components.schemas(),
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function operation(endpoint: Endpoint, components: Components): Operation {
  const operationId = operationIdOf(endpoint);
  const parameters = [...pathParameters(endpoint.path), ...queryParameters(endpoint)];
  const failure = components.add(toJsonSchema(errorSchema(endpoint.path), 'output'), 'Error');
  const body = requestContent(endpoint, components, operationId);
  return {
    operationId,
    summary: endpoint.summary,
    tags: [groupOf(endpoint.path).title],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: { required: true, content: body } } : {}),
    responses: {
      200: { description: 'The answer.', content: answerContent(endpoint, components, operationId) },
      default: { description: 'What went wrong.', content: { 'application/json': { schema: failure } } },
    },
  };
}

/** `postChatCompletions`, `getFilesByFileId`. */
function operationIdOf({ method, path }: Endpoint): string {
  const words = path.split('/').filter((word) => word !== '' && word !== 'v1');
  const named = words.map((word) => (word.startsWith('{') ? `by_${word.replace(/[{+}]/g, '')}` : word));
  return method.toLowerCase() + pascal(named.join('_'));
}

function pascal(text: string): string {
  return text.replace(/(?:^|[^a-zA-Z0-9]+)([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function pathParameters(path: string): Parameter[] {
  return [...path.matchAll(/\{\+?(\w+)\}/g)].map(([, name]) => ({
    name: name!,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(endpoint: Endpoint): Parameter[] {
  if (!endpoint.query) return [];
  const { properties = {}, required = [] } = querySchema(endpoint.query);
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

function requestContent(endpoint: Endpoint, components: Components, id: string): Content | undefined {
  if (endpoint.form) {
    const fields = toJsonSchema(endpoint.form.fields, 'input');
    const file: JsonSchema = { type: 'string', contentMediaType: BYTES };
    const files = Object.fromEntries(endpoint.form.files.map((name) => [name, file]));
    const schema: JsonSchema = {
      ...fields,
      properties: { ...files, ...fields.properties },
      required: [...endpoint.form.files, ...(fields.required ?? [])],
    };
    return { 'multipart/form-data': { schema: components.add(schema, `${pascal(id)}Form`) } };
  }
  if (!endpoint.request) return undefined;
  const schema = components.add(toJsonSchema(endpoint.request, 'input'), `${pascal(id)}Request`);
  return { 'application/json': { schema } };
}

const BYTES = 'application/octet-stream';

function answerContent(endpoint: Endpoint, components: Components, id: string): Content {
  const content: Content = {};
  if (endpoint.response) {
    const schema = toJsonSchema(endpoint.response, 'output');
    content['application/json'] = { schema: components.add(schema, answerName(schema, id)) };
  } else content[endpoint.responseType ?? 'text/plain'] = { schema: { type: 'string' } };
  if (endpoint.streamEvent) {
    const schema = components.add(toJsonSchema(endpoint.streamEvent, 'output'), `${pascal(id)}Event`);
    content[endpoint.streamType ?? 'text/event-stream'] = { schema };
  }
  return content;
}

/** OpenAI's objects bear their kind: `chat.completion` becomes `ChatCompletion`. */
function answerName(schema: JsonSchema, id: string): string {
  const kind = schema.properties?.object?.const;
  return typeof kind === 'string' && kind !== 'list' ? pascal(kind) : `${pascal(id)}Response`;
}
