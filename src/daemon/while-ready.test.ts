import { expect, test } from 'vitest';
import type { Handlers } from '../api/handlers.ts';
import { OPERATIONS } from '../contract/api.ts';
import { GANTRY } from '../contract/caller.ts';
import { whileReady } from './while-ready.ts';

test('while the daemon is not ready it only lets people look and stop it', () => {
  let reason: string | null = 'still starting';
  const names = Object.keys(OPERATIONS);
  const handlers = Object.fromEntries(names.map((name) => [name, () => name])) as unknown as Handlers;
  const gated = whileReady(handlers, () => reason) as unknown as Record<string, (i: unknown, c: unknown) => unknown>;
  const refused = (): string[] =>
    names.filter((name) => {
      try {
        return gated[name]?.({}, GANTRY) !== name;
      } catch (error) {
        expect(error).toMatchObject({ code: 'overloaded', message: 'still starting' });
        return true;
      }
    });
  const changing = Object.entries(OPERATIONS).filter(([name, { method }]) => method !== 'GET' && name !== 'shutdown');
  expect(refused()).toEqual(changing.map(([name]) => name));
  reason = null;
  expect(refused()).toEqual([]);
});
