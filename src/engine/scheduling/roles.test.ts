import { describe, expect, it } from 'vitest';
import { placementOf } from './roles.ts';

const settings = {
  defaultBackend: 'opencode',
  backends: { opencode: { maxSessions: 1, model: 'a/small' }, claude: { maxSessions: 1, model: null } },
  roles: { worker: {}, writer: { backend: 'claude', model: 'opus' } },
};

describe('what an agent of a role runs on', () => {
  it.each([
    ['worker', {}, { backend: 'opencode', model: 'a/small' }],
    ['writer', {}, { backend: 'claude', model: 'opus' }],
    ['writer', { model: 'haiku' }, { backend: 'claude', model: 'haiku' }],
    ['worker', { backend: 'claude' }, { backend: 'claude', model: null }],
  ])('%s with %j', (role, asked, expected) => {
    expect(placementOf(settings, role, asked)).toEqual({ ...expected, notice: null });
  });

  it('is another backend’s own model where the role’s belongs to another, and that is said', () => {
    expect(placementOf(settings, 'writer', { backend: 'opencode' })).toEqual({
      backend: 'opencode',
      model: 'a/small',
      notice: 'opus is the model of writer on claude; on opencode a/small is used',
    });
  });

  it('is refused for a role that there is not, naming those that there are', () => {
    expect(() => placementOf(settings, 'boss', {})).toThrow('no role boss; accepted: worker, writer');
  });
});
