import { expect, test } from 'vitest';
import { Observer } from './observe.ts';

const prompt = { message: { id: 'msg_1', role: 'user' }, parts: [{ type: 'text', text: 'Go on.' }] };
const updated = (info: object) => ({ type: 'session.updated', properties: { info } });

test('whose session it is that is met by its prompt first is not known before OpenCode tells', () => {
  const observer = new Observer({ directory: '/project', kind: 'tui', isReasoningTold: false });
  observer.prompt('ses_child', prompt);
  observer.prompt('ses_root', prompt);
  expect(observer.parentOf('ses_child')).toBeUndefined();
  expect(observer.parentOf('ses_root')).toBeUndefined();
  observer.event(updated({ id: 'ses_child', parentID: 'ses_root' }));
  observer.event(updated({ id: 'ses_root' }));
  expect(observer.parentOf('ses_child')).toBe('ses_root');
  expect(observer.parentOf('ses_root')).toBeNull();
});
