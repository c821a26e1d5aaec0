import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/support/api.ts';
import { OPERATIONS } from '../contract/api.ts';
import { emptyView, type View } from '../contract/fold.ts';
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

describe('pages', () => {
  test('the API page shows every operation, and nothing from elsewhere', async () => {
    const response = await api.send('/docs');
    const page = await response.text();
    for (const { path, summary } of Object.values(OPERATIONS)) {
      expect(page).toContain(path.replace(/:(\w+)/g, '{$1}'));
      expect(page).toContain(summary.replaceAll('`', '`'));
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

  test('the status page and its files are served, and hold to their policy', async () => {
    const types = { '/': 'text/html', '/assets/page.js': 'text/javascript', '/assets/style.css': 'text/css' };
    for (const [path, type] of Object.entries(types)) {
      const response = await api.send(path);
      expect(response.headers.get('content-type'), path).toBe(`${type}; charset=utf-8`);
      const text = await response.text();
      expect(text, path).not.toMatch(/https?:\/\/|innerHTML|eval\(/);
      // The policy allows neither inline scripts nor inline styles.
      if (type === 'text/html') expect(text).not.toMatch(/<style|style="|<script(?![^>]*src=)| on\w+="/);
    }
  });

  test("the page's fold is the contract's own", async () => {
    const source = await (await api.send('/assets/fold.js')).text();
    const module = (await import(`data:text/javascript,${encodeURIComponent(source)}`)) as {
      fold: (view: View, fact: unknown) => void;
      emptyView: () => View;
    };
    const view = module.emptyView();
    expect(view).toEqual(emptyView());
    module.fold(view, { seq: 1, kind: 'alert.opened', data: { key: 'a', text: 'b' } });
    expect([view.seq, view.alerts.get('a')]).toEqual([1, 'b']);
  });
});
