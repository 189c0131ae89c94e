/** The documentation as web pages: one for each group of endpoints, from the OpenAPI document. */

import { html } from 'hono/html';
import { EXAMPLE_BASE, type Example, type Group } from './groups/group.ts';
import { groups } from './groups/index.ts';
import type { OpenApiDocument, Operation } from './openapi.ts';
import { fieldList, prose, typeText, type Html } from './schema-view.ts';

/** What examples are filled with. */
export interface Place {
  /** `http://127.0.0.1:8642` */
  readonly origin: string;
  /** Names to stand for `MODEL` and `EMBEDDING_MODEL`; absent where none is offered. */
  readonly model?: string;
  readonly embeddingModel?: string;
}

export function groupPage(document: OpenApiDocument, group: Group, place: Place): Html {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags.includes(group.title))
      .map(([method, operation]) => ({ path, method, operation })),
  );
  return shell(
    group.title,
    html`<h1>${group.title}</h1>
      <p>${prose(group.text)}</p>
      ${group.examples.map((example) => exampleView(example, place))}
      ${operations.map(({ path, method, operation }) => operationView(path, method, operation, document))}`,
    group,
  );
}

export function fillExample(code: string, { origin, model, embeddingModel }: Place): string {
  return code
    .replaceAll(EXAMPLE_BASE, origin)
    .replaceAll('EMBEDDING_MODEL', embeddingModel ?? 'EMBEDDING_MODEL')
    .replaceAll(/(?<!EMBEDDING_)\bMODEL\b/g, model ?? 'MODEL');
}

function exampleView({ title, language, code }: Example, place: Place): Html {
  return html`<figure>
    <figcaption>
      ${title} <span class="quiet">${language === 'sh' ? 'shell' : "JavaScript, with OpenAI's SDK"}</span>
      <button type="button" class="copy">Copy</button>
    </figcaption>
    <pre><code>${fillExample(code, place)}</code></pre>
  </figure>`;
}

function operationView(
  path: string,
  method: string,
  operation: Operation,
  { components: { schemas } }: OpenApiDocument,
): Html {
  const request = Object.entries(operation.requestBody?.content ?? {});
  const answers = Object.entries(operation.responses['200']?.content ?? {});
  return html`<section id="${operation.operationId}">
    <h2><span class="method">${method.toUpperCase()}</span> <code>${path}</code></h2>
    <p>${prose(operation.summary)}</p>
    ${
      operation.parameters
        ? html`<h3>Parameters</h3>
            <dl>
              ${operation.parameters.map(
                ({ name, in: where, required, schema, description }) =>
                  html`<dt>
                      <code>${name}</code>
                      <span class="quiet"
                        >${where}, ${typeText(schema, schemas)}${required ? ', required' : ''}</span
                      >
                    </dt>
                    <dd>${description ?? ''}</dd>`,
              )}
            </dl>`
        : ''
    }
    ${request.map(
      ([type, { schema }]) =>
        html`<h3>Body <span class="quiet">${type}</span></h3>
          ${fieldList(schema, schemas)}`,
    )}
    ${answers.map(
      ([type, { schema }]) =>
        html`<details class="answer">
          <summary>Answer <span class="quiet">${type}</span></summary>
          ${fieldList(schema, schemas)}
        </details>`,
    )}
  </section>`;
}

function shell(title: string, body: Html, current: Group): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}, Steelyard API</title>
        <link rel="icon" href="/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/colours.css" />
        <link rel="stylesheet" href="/docs.css" />
        <script type="module" src="/docs.js"></script>
      </head>
      <body>
        <nav>
          <a class="home" href="/">Steelyard</a>
          <ul>
            ${groups.map(
              (group) =>
                html`<li>
                  <a href="/docs/${group.slug}" ${group === current ? 'aria-current=page' : ''}
                    >${group.title}</a
                  >
                </li>`,
            )}
          </ul>
          <a href="/openapi.json">OpenAPI document</a>
        </nav>
        <main>${body}</main>
      </body>
    </html>`;
}
