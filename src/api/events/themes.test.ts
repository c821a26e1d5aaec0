import { expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../../test/support/api.ts';
import { THEME_COLORS } from '../../contract/theme.ts';

const colors = Object.fromEntries(
  THEME_COLORS.map((name, i) => [name, ['#abc', '#a1b2c3', 'rgba(1, 2, 3, .5)', 'grey'][i % 4]]),
);
const theme = (over: Record<string, unknown> = {}) => ({ name: 'Dark Sea!', displayName: 'Dark Sea', colors, ...over });

/** As a page of an old client asks: by a path that is its token. */
const asker = (api: TestApi, token: string) => async (method: string, path: string, body?: unknown) => {
  const init =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  const response = await api.send(`/view/${token}/api/themes${path}`, { token: null, method, ...init });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, never> };
};

it('makes, lists, changes, exports, imports and deletes; only its owner changes a theme', async () => {
  await using api = await openTestApi();
  const [mine, other] = [asker(api, 'read'), asker(api, 'approve')];
  const made = await mine('POST', '', theme({ authorId: 'somebody', isPublic: true, tags: ['sea'] }));
  expect(made).toMatchObject({
    status: 201,
    body: { success: true, message: 'Theme created successfully', data: { name: 'darksea', authorName: 'token:read' } },
  });
  const { id } = made.body.data as unknown as { readonly id: string };
  expect(await mine('GET', `/${id}`)).toMatchObject({ status: 200, body: { data: { tags: ['sea'] } } });
  expect(await other('GET', '?query=SEA&sortBy=name&sortOrder=asc&isPublic=true')).toMatchObject({
    body: { data: [{ id }] },
  });
  expect(await other('PUT', `/${id}`, { displayName: 'Mine' })).toMatchObject({
    status: 403,
    body: { success: false },
  });
  expect((await other('DELETE', `/${id}`)).status).toBe(403);
  const changed = await mine('PUT', `/${id}`, { displayName: 'Sea', name: 'other', colors: { primary: 'red' } });
  expect(changed.body.data).toMatchObject({
    name: 'darksea',
    displayName: 'Sea',
    colors: { ...colors, primary: 'red' },
  });
  const exported = await other('GET', `/${id}/export`);
  expect(exported.headers.get('Content-Disposition')).toBe('attachment; filename="darksea.json"');
  expect(exported.body).toMatchObject({ version: '1.0.0', theme: { id }, exportedBy: 'token:approve' });
  const imported = await other('POST', '/import', exported.body);
  expect(imported).toMatchObject({ status: 201, body: { data: { name: 'darksea-2', isPublic: false } } });
  const { id: copy } = imported.body.data as unknown as { readonly id: string };
  expect(await mine('GET', `/${copy}`)).toMatchObject({
    status: 404,
    body: { success: false, error: 'Theme not found' },
  });
  const listed = async (search: string): Promise<unknown> =>
    ((await other('GET', search)).body.data as unknown as { readonly id: string }[]).map((one) => one.id).sort();
  expect(await listed('')).toEqual([id, copy].sort());
  expect(await listed('?isPublic=true')).toEqual([id]);
  expect(await listed('?isPublic=false')).toEqual([copy]);
  expect((await other('GET', '/stats')).body.data).toEqual({
    totalThemes: 2,
    publicThemes: 1,
    privateThemes: 1,
    totalDownloads: 1,
    averageRating: 0,
  });
  expect((await mine('GET', '?authorId=tok_read000000')).body.data).toHaveLength(1);
  expect(await mine('DELETE', `/${id}`)).toMatchObject({ status: 200, body: { success: true } });
  for (const method of ['GET', 'PUT', 'DELETE']) {
    expect((await mine(method, `/${id}`, method === 'PUT' ? {} : undefined)).status).toBe(404);
  }
});

it('says what is wrong, field by field, and takes no word of a query for more than a word', async () => {
  await using api = await openTestApi();
  const ask = asker(api, 'read');
  await ask('POST', '', theme());
  const codes = async (body: unknown): Promise<unknown[]> => {
    const answered = await ask('POST', '', body);
    expect(answered).toMatchObject({ status: 400, body: { success: false, error: 'Validation failed' } });
    return (answered.body.validationErrors as unknown as { field: string; code: string }[]).map((one) => [
      one.field,
      one.code,
    ]);
  };
  expect(await codes(theme())).toEqual([['name', 'DUPLICATE']]);
  expect(await codes({ ...theme({ name: '!!!' }), displayName: undefined })).toEqual([
    ['name', 'INVALID_FORMAT'],
    ['displayName', 'REQUIRED'],
  ]);
  const { primary: _, ...rest } = colors;
  expect(await codes(theme({ name: 'b', colors: { ...rest, shadow: 'url(x)' } }))).toEqual([
    ['colors.primary', 'REQUIRED'],
    ['colors.shadow', 'INVALID_COLOR'],
  ]);
  expect(await codes(theme({ name: 'c', tags: 'sea', isPublic: 1 }))).toEqual([
    ['isPublic', 'INVALID_FORMAT'],
    ['tags', 'INVALID_FORMAT'],
  ]);
  for (const query of ['?sortOrder=asc;drop', '?sortBy=id', '?limit=(select 1)', '?offset=-1', '?isPublic=maybe']) {
    expect([query, (await ask('GET', query)).status]).toEqual([query, 400]);
  }
  expect((await ask('PATCH', '')).status).toBe(405);
  expect((await ask('POST', '/import', { theme: [] })).status).toBe(400);
  expect((await api.send('/in/ingest/api/themes', { token: null })).status).toBe(404);
});
