import type { ConfigValue } from '../contract/shapes.ts';
import { configKeys } from './config-keys.ts';

/**
 * Every field of a role, with the value that holds and where it comes from: a field that the role leaves open has the value
 * of the default that stands in for it.
 */
export function explainRole(rows: readonly ConfigValue[], role: string): ConfigValue[] {
  const at = (key: string): ConfigValue | undefined => rows.find((row) => row.key === key);
  const backend = at(`roles.${role}.backend`) ?? at('defaultBackend');
  const standIns: Readonly<Record<string, string>> = {
    backend: 'defaultBackend',
    model: `backends.${String(backend?.value)}.model`,
    maxAttempts: 'limits.maxAttempts',
    timeout: 'limits.taskTimeout',
    taskUsd: 'limits.taskUsd',
  };
  return fieldsOf().map((field) => {
    const key = `roles.${role}.${field}`;
    const found = at(key) ?? at(standIns[field] ?? '');
    return found ? { ...found, key } : { key, value: null, layer: 'built-in', source: 'not set' };
  });
}

const fieldsOf = (): string[] =>
  configKeys()
    .filter(([first, second]) => first === 'roles' && second === '*')
    .map((path) => path.slice(2).join('.'));
