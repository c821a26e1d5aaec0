import { describe, expect, it } from 'vitest';
import { isAllowed, OPERATION_TOOLS } from './operation-tools.ts';
import { jsonSchemaOf } from './task-schemas.ts';
import { TASK_TOOLS } from './task-tools.ts';

type Me = Parameters<typeof isAllowed>[1];
const me = (given: Partial<Me>): Me => ({ actor: 'x', scope: 'admin', agent: null, callers: null, ...given });
const shown = (given: Partial<Me>): readonly string[] =>
  OPERATION_TOOLS.filter(({ operation }) => isAllowed(operation, me(given))).map(({ name }) => name);

describe('tools of operations', () => {
  it('have names of their own and schemas that can be listed', () => {
    const names = [...TASK_TOOLS, ...OPERATION_TOOLS].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { input } of OPERATION_TOOLS) expect(jsonSchemaOf(input, 'input').type).toBe('object');
    expect(names).toEqual(
      expect.arrayContaining(['requests_submit', 'agents_list', 'messages_send', 'approvals_allow']),
    );
    expect(names.filter((name) => /token|login|shutdown/.test(name))).toEqual([]);
  });

  it('are shown to a token that may use them', () => {
    expect(shown({ scope: 'read' })).toContain('requests_list');
    expect(shown({ scope: 'read' })).not.toContain('requests_submit');
    expect(shown({ scope: 'operate' })).not.toContain('approvals_allow');
    expect(shown({ scope: 'approve' })).toContain('approvals_allow');
    expect(shown({ scope: 'operate', callers: ['a'] })).toEqual([]);
  });

  it('never let an agent answer an approval, whatever the scope of its token', () => {
    const own = shown({ scope: 'admin', agent: 'demo/worker/one' });
    expect(own.filter((name) => /^approvals_(allow|deny|answer)$/.test(name))).toEqual([]);
    expect(shown({ scope: 'read', agent: 'demo/worker/one' })).toContain('messages_send');
  });
});
