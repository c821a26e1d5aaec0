import { createHmac, createSecretKey } from 'node:crypto';
import { isSecretName, mayHoldSecret, type Replace, replaceSecrets } from '../base/secrets.ts';

/** Masks what comes from outside: the same secret looks the same within one home, and cannot be guessed from its mask. */
export type Mask = {
  /** The same value with its secrets masked; strings, keys and all levels. */
  readonly value: <T>(value: T) => T;
  /** Whether the JSON text may hold a secret in a value or under a secret's name: a quick look, wrong only on the safe side. */
  readonly mayHold: (json: string) => boolean;
};

/** Names of secrets that `mayHoldSecret` does not look for, and escapes behind which anything may hide. */
const HINT_IN_JSON = /\\[u/]|authorization|cookie|passphrase/i;

/** `key` is the home's own; `patterns` are a person's, each match is a secret. */
export function createMask(key: Uint8Array, patterns: readonly RegExp[]): Mask {
  // Importing the bytes again for every secret takes six times as long as the hash itself.
  const hashKey = createSecretKey(key);
  const replace: Replace = (secret, kind) => {
    if (/^\[secret:[a-z-]+:[0-9a-f]{8}\]$/.test(secret)) return secret;
    return `[secret:${kind}:${createHmac('sha256', hashKey).update(secret).digest('hex').slice(0, 8)}]`;
  };
  const ofText = (text: string): string =>
    patterns.reduce(
      (masked, pattern) => masked.replace(pattern, (found) => (found === '' ? '' : replace(found, 'custom'))),
      replaceSecrets(text, replace),
    );
  const ofValue = (value: unknown): unknown => {
    if (typeof value === 'string') return ofText(value);
    if (Array.isArray(value)) return value.map(ofValue);
    if (typeof value !== 'object' || value === null) return value;
    // From entries, not by assignment: `__proto__` is a key like any other.
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [ofText(name), ofNamed(name, inner)]));
  };
  const ofNamed = (name: string, inner: unknown): unknown => (isSecretName(name) ? ofSecret(inner) : ofValue(inner));
  /** What a secret's name names: a text, a number, or several of them, as headers are. */
  const ofSecret = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(ofSecret);
    if (typeof value === 'number') return replace(String(value), 'value');
    return typeof value === 'string' && value !== '' ? replace(value, 'value') : ofValue(value);
  };
  return {
    value: <T>(value: T): T => ofValue(value) as T,
    mayHold: (json) => patterns.length > 0 || mayHoldSecret(json) || HINT_IN_JSON.test(json),
  };
}
