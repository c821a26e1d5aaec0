import { html } from 'hono/html';
import { OPERATIONS } from '../contract/api.ts';
import { SCOPES_THAT_SATISFY } from '../contract/shapes.ts';
import type { DocumentedOperation, JsonSchema, OpenApi } from './openapi.ts';

type Html = ReturnType<typeof html>;

const frame = (title: string, body: Html): Html => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
</head>
<body>${body}</body>
</html>`;

/** For a browser that is not logged in: how to come in. */
export const loginPage = (reason: string): Html =>
  frame(
    'Gantry: log in',
    html`<main>
<h1>Gantry</h1>
<p role="alert">${reason}</p>
<p>Run <code>gantry open</code> in a terminal on this machine: it opens this page with a link that logs you in once.</p>
</main>`,
  );

/** The API for people to read, from the same document as for programs. */
export function docsPage({ info, paths, components }: OpenApi): Html {
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  return frame(
    'Gantry: API',
    html`<header><h1>Gantry API ${info.version}</h1><nav><a href="/">Dashboard</a> · <a href="/openapi.json">openapi.json</a></nav></header>
<main>
<p>${info.description}</p>
<p>Send <code>Authorization: Bearer &lt;token&gt;</code>; <code>gantry token --scope read</code> makes one.
 A token of scope <code>admin</code> may do everything.</p>
<table>
<thead><tr><th scope="col">Operation</th><th scope="col">Does</th><th scope="col">Scope</th></tr></thead>
<tbody>${rows.map(
      ({ path, method, operation }) => html`<tr>
<td><a href="#${operation.operationId}"><code>${method} ${path}</code></a></td>
<td>${operation.summary}</td><td>${operation['x-gantry-scope'] ?? '–'}</td></tr>`,
    )}</tbody>
</table>
${rows.map(({ path, method, operation }) => operationPart(path, method, operation))}
<h2>Shapes</h2>
${Object.entries(components.schemas).map(
  ([name, schema]) =>
    html`<details id="schema-${name}"><summary><code>${name}</code></summary>${json(schema)}</details>`,
)}
</main>`,
  );
}

function operationPart(path: string, method: string, operation: DocumentedOperation): Html {
  const { operationId, summary, parameters, requestBody, responses } = operation;
  const scope = Object.entries(OPERATIONS).find(([name]) => name === operationId)?.[1].scope;
  const body = requestBody?.content['application/json'].schema;
  return html`<section class="operation" id="${operationId}" aria-labelledby="${operationId}-title">
<h3 id="${operationId}-title"><code>${method} ${path}</code></h3>
<p>${summary}.${scope ? html` <span class="dim">Scopes: ${SCOPES_THAT_SATISFY[scope].join(', ')}.</span>` : ''}</p>
${
  parameters.length === 0
    ? ''
    : html`<table><thead><tr><th scope="col">Parameter</th><th scope="col">In</th><th scope="col">Form</th></tr></thead>
<tbody>${parameters.map(
        (parameter) => html`<tr><td><code>${parameter.name}</code>${parameter.required ? ' (needed)' : ''}</td>
<td>${parameter.in}</td><td>${parameter.description ?? ''} <code>${JSON.stringify(parameter.schema)}</code></td></tr>`,
      )}</tbody></table>`
}
${body ? html`<details><summary>Body</summary>${json(body)}</details>` : ''}
<details><summary>Answers</summary>${json(responses)}</details>
</section>`;
}

const json = (value: JsonSchema): Html => html`<pre tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;
