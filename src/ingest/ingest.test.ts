import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleEvent } from '../../test/support/events.ts';
import { redact } from '../base/redact.ts';
import { AppError } from '../contract/errors.ts';
import { checkAnswerAddress } from './address.ts';
import { decodeEvent, type EventRules } from './event.ts';
import { parseJson } from './json.ts';
import { createMask } from './mask.ts';

const NOW = 1_700_000_000_000;
const mask = createMask(new Uint8Array(32), []);
const rules: EventRules = {
  mask,
  now: NOW,
  checkAddress: (url) => checkAnswerAddress(url, { ownPort: 4000, hosts: [] }),
};

/** What it gives, or the code of its refusal: anything else it throws is a defect. */
function tried<T>(fn: () => T): T | string {
  try {
    return fn();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

const anyEvent = fc.record(
  {
    source_app: fc.oneof(fc.string(), fc.jsonValue()),
    session_id: fc.oneof(fc.string(), fc.jsonValue()),
    hook_event_type: fc.oneof(fc.string(), fc.jsonValue()),
    payload: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue()),
    timestamp: fc.oneof(fc.double(), fc.integer(), fc.date().map(String), fc.jsonValue()),
    chat: fc.oneof(fc.array(fc.jsonValue()), fc.jsonValue()),
    summary: fc.oneof(fc.string(), fc.jsonValue()),
    event_id: fc.oneof(fc.string(), fc.jsonValue()),
    id: fc.jsonValue(),
    humanInTheLoop: fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          question: fc.string(),
          type: fc.constantFrom('question', 'permission', 'choice', 'other'),
          choices: fc.oneof(fc.array(fc.string()), fc.constant(null)),
          timeout: fc.double(),
          responseWebSocketUrl: fc.oneof(fc.string(), fc.webUrl(), fc.constant('ws://localhost:9000')),
        },
        { requiredKeys: [] },
      ),
    ),
  },
  { requiredKeys: [] },
);

describe('what anybody may send', () => {
  it('is an event that its own text gives back, or refused as a bad request', () => {
    fc.assert(
      fc.property(fc.oneof(anyEvent, fc.jsonValue()), fc.boolean(), (given, isClean) => {
        const event = tried(() => decodeEvent(structuredClone(given), rules, isClean));
        expect(typeof event !== 'string' || event === 'bad_request').toBe(true);
        if (typeof event === 'string') return;
        const text = JSON.parse(event.text) as Record<string, unknown>;
        expect(text).toMatchObject({
          source_app: event.source,
          session_id: event.session,
          hook_event_type: event.type,
        });
        expect(Number.isSafeInteger(event.timestamp) && event.timestamp >= 0).toBe(true);
        for (const key of ['id', 'received_at', 'humanInTheLoopStatus', 'chat']) expect(text).not.toHaveProperty([key]);
      }),
    );
  });

  it('is the value that JSON.parse makes of it, or refused, and never quoted', () => {
    const text = fc.oneof(
      fc.json(),
      fc.string(),
      fc.json().map((json) => json.slice(0, -1)),
    );
    fc.assert(
      fc.property(text, (json) => {
        const parsed = tried(() => [parseJson(json, 100)]);
        if (typeof parsed === 'string') expect(() => JSON.parse(json)).toThrow();
        else expect(parsed).toEqual([JSON.parse(json)]);
      }),
    );
    const depth = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(depth, depth, (deep, most) => {
        const json = `${'[{"a":'.repeat(deep)}"]}{["${'}]'.repeat(deep)}`;
        expect(typeof tried(() => parseJson(json, most)) === 'string').toBe(2 * deep > most);
      }),
    );
    const quotes = fc.stringMatching(/^[\\"[\]{}a]*$/);
    fc.assert(
      fc.property(quotes, quotes, (key, value) => {
        const json = JSON.stringify({ [key]: [value, value] });
        expect(parseJson(json, 2)).toEqual(JSON.parse(json));
        expect(tried(() => parseJson(json, 1))).toBe('bad_request');
      }),
    );
    expect(() => parseJson('{"token":"hunter22",}', 9)).toThrow(/^(?!.*hunter22).*position/);
  });

  it('keeps its shape under the mask, which a second mask does not change', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const masked = mask.value(value);
        expect(mask.value(masked)).toEqual(masked);
        if (!mask.mayHold(JSON.stringify(value))) expect(masked).toEqual(value);
      }),
    );
  });

  it('has no secret after it, wherever that was', () => {
    const secret = fc.constantFrom(
      'ghp_abcdefghijklmnopqrstuvwxyz012345',
      'sk-proj-abcdefghijklmnop1234',
      'AKIAABCDEFGHIJKLMNOP',
      `eyJhbGciOiJIUzI1NiJ9.${'eyJzdWIiOiIxIn0'.repeat(3)}.c2lnbmF0dXJl`,
    );
    fc.assert(
      fc.property(secret, fc.jsonValue(), fc.string(), (hidden, beside, name) => {
        const event = sampleEvent({ payload: { beside, [`${name} ${hidden}`]: [{ deep: `see ${hidden} there` }] } });
        expect(mask.mayHold(JSON.stringify(event))).toBe(true);
        expect(decodeEvent(event, rules, false).text).not.toContain(hidden);
      }),
    );
  });

  it('has nothing after it of what the name of a secret named, alone or in lists', () => {
    const name = fc.constantFrom('password', 'Set-Cookie', 'authorization', 'x-api-key', 'PASSPHRASE', 'clientSecret');
    const hidden = fc.oneof(
      fc.stringMatching(/^hidden[a-z]{4,20}$/),
      fc.integer({ min: 1_000_000_000, max: 9_000_000_000 }),
    );
    fc.assert(
      fc.property(name, hidden, fc.nat(4), fc.array(fc.jsonValue()), (named, secret, depth, beside) => {
        let value: unknown = secret;
        for (let i = 0; i < depth; i += 1) value = [...beside, value];
        const given = { headers: [{ [named]: value }] };
        expect(mask.mayHold(JSON.stringify(given))).toBe(true);
        const masked = mask.value(given);
        expect(JSON.stringify(masked)).not.toContain(String(secret));
        expect(mask.value(masked)).toEqual(masked);
        expect(JSON.stringify(redact(given))).not.toContain(String(secret));
      }),
    );
  });

  it('keeps harmless look-alikes', () => {
    const harmless = {
      uuid: '123e4567-e89b-12d3-a456-426614174000',
      hash: 'da39a3ee5e6b4b0d3255bfef95601890afd80709',
      image: `data:image/png;base64,${'iVBORw0KGgoAAAANSUhEUg'.repeat(20)}`,
      code: 'function t(e,n){return e?n.token:"basic functionality"}const KEY=process.env.KEY',
      prose: 'task-based-scheduling-of-things and a bearer of news',
    };
    expect(mask.value(harmless)).toEqual(harmless);
  });
});

it('masks in time that grows with the length, whatever is made to look like the beginning of a secret', () => {
  const start = '-eyJaaaaaaaa';
  const shapes: Record<string, (length: number) => string> = {
    'starts of tokens': (n) => start.repeat(n / start.length),
    'one long second part': (n) => `${start.repeat(16)}.${'a'.repeat(n)}`,
    'two parts of three': (n) => `${start}.aaaaaaaaa`.repeat(n / 22),
    'begins of private keys': (n) => '-----BEGIN '.repeat(n / 11),
    'schemes of addresses': (n) => 'a://b:'.repeat(n / 6),
    'names of variables': (n) => 'A_'.repeat(n / 2),
    'one token after the other': (n) => 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_-1 '.repeat(n / 49),
    'one private key after the other': (n) => '-----BEGIN PRIVATE KEY-----'.repeat(n / 27),
  };
  for (const [name, shape] of Object.entries(shapes)) {
    const text = shape(2_000_000);
    const work = () => [mask.mayHold(text), mask.value(text)];
    // Linear, it takes part of a second; where the time grows with the square of the length, hours.
    expect(() => runInNewContext('work()', { work }, { timeout: 60_000 }), name).not.toThrow();
  }
});
