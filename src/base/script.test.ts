import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { check, markerSteps, ruleSteps, scriptSchema } from './script.ts';

const step = z.strictObject({ text: z.string() });

describe('a marker in a text', () => {
  const steps = (text: string): unknown => {
    const found = markerSteps('model', text, step);
    return found?.ok ? found.value.map((s) => s.text) : found;
  };

  test.each([
    ['alone', '@@model [{"text":"a"}]', ['a']],
    ['between words', 'do it @@model [{"text":"a"},{"text":"b"}] please ]', ['a', 'b']],
    ['over lines', '@@model\n[\n  {"text": "a"}\n]\nrest', ['a']],
    ['with brackets and quotes in its strings', '@@model [{"text":"]}[{ \\" ]"}] tail', [']}[{ " ]']],
    ['twice: the last one wins', '@@model [{"text":"a"}] @@model [{"text":"b"}]', ['b']],
    ['beside one of another name', '@@model [{"text":"a"}] @@fake [{"text":"b"}]', ['a']],
    ['empty', '@@model []', []],
    ['quoted in a JSON string', JSON.stringify({ request: '@@model [{"text":"a"}]' }), null],
    ['quoted in a JSON string, over lines', JSON.stringify('@@model [\n {"text":"a"}]'), null],
    ['of a longer name', '@@models [{"text":"a"}]', null],
    ['without an array', 'write @@model into the file', null],
    ['absent', 'hello', null],
  ])('%s', (_what, text, expected) => {
    expect(steps(text)).toEqual(expected);
  });

  test.each([
    ['that is not closed', '@@model [{"text":"a"}', /not closed/],
    ['that is not JSON', '@@model [{text:"a"}]', /@@model: .*JSON/],
    ['with a wrong step', '@@model [{"text":"a"},{"text":1}]', /@@model \[1\]\.text: .*string/],
    ['with an unknown key', '@@model [{"txt":"a"}]', /txt/],
  ])('%s is a fault that says where', (_what, text, fault) => {
    const found = markerSteps('model', text, step);
    expect(found?.ok === false && found.faults.join('\n')).toMatch(fault);
  });
});

describe('the rules of a script file', () => {
  const parsed = check(scriptSchema(step), {
    rules: [
      { when: { system: 'plan' }, steps: [{ text: 'plan' }] },
      { when: { prompt: 'hello', notPrompt: 'world' }, steps: [{ text: 'hello' }] },
      { when: { prompt: 'hello' }, steps: [{ text: 'hello world' }] },
    ],
    otherwise: [{ text: 'else' }],
  });
  if (!parsed.ok) throw new Error(parsed.faults.join());
  const script = parsed.value;

  test.each([
    ['say hello', '', 'hello'],
    ['say hello', 'you plan', 'plan'],
    ['hello world', '', 'hello world'],
    ['bye', '', 'else'],
  ])('prompt "%s" with system "%s" plays "%s"', (prompt, system, text) => {
    expect(ruleSteps(script, { prompt, system })).toEqual([{ text }]);
  });

  test('without a match and without `otherwise` there are no steps', () => {
    expect(ruleSteps({ rules: [] }, { prompt: 'x', system: '' })).toBeNull();
  });

  test('every fault is named with its path', () => {
    const bad = { rules: [{ when: { promt: 'x' }, steps: [{ text: 1 }] }], other: [] };
    const found = check(scriptSchema(step), bad);
    expect(found.ok === false && found.faults).toEqual([
      expect.stringMatching(/^rules\[0\]\.when: .*promt/),
      expect.stringMatching(/^rules\[0\]\.steps\[0\]\.text: /),
      expect.stringMatching(/^\(top\): .*other/),
    ]);
  });
});
