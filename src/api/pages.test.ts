import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/support/api.ts';
import { OPERATIONS } from '../contract/api.ts';
import { type OpenApi, openApi } from './openapi.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api[Symbol.asyncDispose]());

/** Every object inside of a value, the value included. */
function* objectsIn(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const inner of Object.values(value)) yield* objectsIn(inner);
}

describe('the OpenAPI document', () => {
  const document = openApi('1.2.3');

  const served = async (): Promise<OpenApi> => (await (await api.send('/openapi.json')).json()) as OpenApi;

  test('is served as it is made', async () => {
    expect(await served()).toEqual(JSON.parse(JSON.stringify(openApi('0.0.0-test'))));
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Gantry', version: '1.2.3' } });
  });

  test('has every operation once, by its name', () => {
    const ids = Object.values(document.paths).flatMap((methods) => Object.values(methods).map((o) => o.operationId));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining([...Object.keys(OPERATIONS), 'stream', 'healthz', 'readyz']));
  });

  test.each(Object.entries(OPERATIONS))(
    '%s: parameters, body, answer, problem',
    (name, { method, path, status, scope }) => {
      const operation = document.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
      expect(operation).toMatchObject({ operationId: name, 'x-gantry-scope': scope });
      const inPath = operation?.parameters.filter((p) => p.in === 'path').map((p) => [p.name, p.required]);
      expect(inPath).toEqual([...path.matchAll(/:(\w+)/g)].map(([, key]) => [key, true]));
      expect(operation?.requestBody !== undefined).toBe(method === 'POST');
      expect(Object.keys(operation?.responses ?? {})).toEqual([String(status), 'default']);
      expect(operation?.responses.default).toEqual({ $ref: '#/components/responses/Problem' });
    },
  );

  test('refers only to what it has', () => {
    const refs = [...objectsIn(document)].flatMap(({ $ref }) => (typeof $ref === 'string' ? [$ref] : []));
    expect(refs.length).toBeGreaterThan(50);
    for (const ref of new Set(refs)) {
      const parts = ref.replace(/^#\//, '').split('/');
      const found = parts.reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document);
      expect(found, ref).toBeTypeOf('object');
    }
  });

  test('is of plain JSON Schema: no $id, no $schema, names that OpenAPI allows', () => {
    for (const object of objectsIn(document.components.schemas)) {
      expect(Object.keys(object)).not.toEqual(expect.arrayContaining(['$id']));
      expect(Object.keys(object)).not.toEqual(expect.arrayContaining(['$schema']));
    }
    for (const name of Object.keys(document.components.schemas)) expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
  });

  test('shows a fact by its kind', () => {
    const text = JSON.stringify(document.components.schemas.Fact);
    expect(text).toContain('"const":"task.changed"');
    expect(text).toContain('"row":{"$ref":"#/components/schemas/Task"}');
    expect(document.components.schemas['facts.list.output']).toMatchObject({
      properties: { items: { items: { $ref: '#/components/schemas/Fact' } } },
    });
  });
});

const SIGNS: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
/** A text as it stands in HTML. */
const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => SIGNS[sign] ?? sign);

describe('pages', () => {
  test('the API page shows every operation, and nothing from elsewhere', async () => {
    const response = await api.send('/docs');
    const page = await response.text();
    for (const { path, summary } of Object.values(OPERATIONS)) {
      expect(page).toContain(path.replace(/:(\w+)/g, '{$1}'));
      expect(page).toContain(escaped(summary));
    }
    expect(page).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'");
  });

  test('a browser that is not logged in is told how to', async () => {
    for (const path of ['/', '/docs', '/login?code=used']) {
      const response = await api.send(path, { token: null, headers: { accept: 'text/html,*/*' } });
      expect(response.status).toBe(401);
      expect(response.headers.get('content-type')).toMatch(/^text\/html/);
      expect(await response.text()).toContain('gantry open');
    }
  });

  test('the dashboard and its files are served, and hold to their policy', async () => {
    const page = await api.send('/');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('cache-control')).toBe('no-store');
    const html = await page.text();
    // The policy allows neither inline scripts nor inline styles, and nothing from elsewhere.
    expect(html).not.toMatch(/<style|style="|<script(?![^>]*src=)| on\w+="/);
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
    const files = [...html.matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? '');
    expect(new Set(files.map((path) => path.split('.').at(-1)))).toEqual(new Set(['css', 'js']));
    for (const path of files) {
      const response = await api.send(path);
      expect(response.headers.get('content-type'), path).toMatch(/^text\/(css|javascript); charset=utf-8$/);
      expect(response.headers.get('cache-control'), path).toContain('immutable');
      expect(response.headers.get('content-security-policy'), path).toContain("script-src 'self'");
      expect(await response.text(), path).not.toMatch(/\beval\(|new Function\(/);
    }
  });

  test.each(['nothing.js', 'index.html', '..%2Findex.html', '%2e%2e%2findex.html', '..%2f..%2fpackage.json'])(
    'a file that is none of the dashboard is not served: %s',
    async (name) => {
      const response = await api.send(`/assets/${name}`);
      expect(response.status).toBe(404);
      expect(response.headers.get('content-type')).toContain('json');
    },
  );

  test('the files of the dashboard want a login too', async () => {
    expect((await api.send('/assets/index.js', { token: null })).status).toBe(401);
    expect((await api.send('/style.css', { token: null })).status).toBe(200);
  });
});
