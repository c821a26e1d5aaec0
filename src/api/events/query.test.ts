import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AppError } from '../../contract/errors.ts';
import { parseEventStream, parseRecent, parseWait } from './query.ts';
import { routeOf } from './route.ts';

const NAMES = [
  'limit',
  'since',
  'before',
  'from',
  'to',
  'q',
  'source_app',
  'session_id',
  'hook_event_type',
  'project',
  'task',
  'agent',
  'wait',
  'x',
];
const value = fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('0', '1e30', '-1', '2026-01-01', '٣'));
const search = fc
  .array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 6 })
  .map((pairs) => `?${new URLSearchParams(pairs)}`);

it('reads any query as what it says, or refuses it as a bad request', () => {
  fc.assert(
    fc.property(fc.oneof(search, fc.string()), (text) => {
      for (const parse of [parseRecent, parseWait, (given: string) => parseEventStream(given, undefined, 10)]) {
        try {
          const asked = parse(text);
          if (typeof asked === 'number') expect(asked >= 0 && asked <= 60_000).toBe(true);
          else if ('limit' in asked) expect(asked.limit >= 1 && asked.limit <= 1_000).toBe(true);
          else expect(asked.since === null || (asked.since >= 0 && asked.since <= 10)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect((error as AppError).code).toBe('bad_request');
        }
      }
    }),
  );
});

it('finds a token in a path only behind its door', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const route = routeOf(text);
      if (route !== null) expect(route.door === 'plain').toBe(route.token === null);
    }),
  );
});
