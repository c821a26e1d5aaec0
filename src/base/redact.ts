import { isSecretName, type Replace, replaceSecrets } from './secrets.ts';

const MASK = '[redacted]';
const mask: Replace = () => MASK;

/** The same value with every secret masked: by the name of its key and by the form of the text. */
export function redact<T>(value: T): T {
  if (typeof value === 'string') return replaceSecrets(value, mask) as T;
  if (Array.isArray(value)) return value.map((v) => redact(v)) as T;
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, v]) => [key, isSecretName(key) ? redactNamed(v) : redact(v)]);
  return Object.fromEntries(entries) as T;
}

/** What a secret's name names: a text, a number, or several of them, as headers are. */
function redactNamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redactNamed);
  return typeof value === 'string' || typeof value === 'number' ? MASK : redact(value);
}
