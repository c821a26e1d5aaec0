import { isAbsolute } from 'node:path';
import { redact } from '../base/redact.ts';
import { Config } from '../contract/config.ts';
import { AppError } from '../contract/errors.ts';
import type { Leaf } from './config-layers.ts';
import { type Environment, variable } from './environment.ts';

const text = (value: string): unknown => value;
const number = (value: string): unknown => (value.trim() === '' ? Number.NaN : Number(value));
const absolute = (value: string): unknown => (isAbsolute(value) ? value : undefined);

/** Variables that are settings. */
const VARIABLES: Readonly<
  Record<string, { path: [string, ...string[]]; read: (value: string) => unknown; form: string }>
> = {
  GANTRY_PORT: { path: ['server', 'port'], read: number, form: 'a whole number from 0 to 65535' },
  GANTRY_OPENCODE_URL: {
    path: ['backends', 'opencode', 'url'],
    read: text,
    form: 'a URL such as http://127.0.0.1:4096',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    path: ['traces', 'endpoint'],
    read: text,
    form: 'a URL such as http://127.0.0.1:4318',
  },
  MAX_CONCURRENT_TASKS: { path: ['limits', 'maxParallel'], read: number, form: 'a whole number from 1' },
  MAX_QUEUED_TASKS: { path: ['delegation', 'maxQueued'], read: number, form: 'a whole number from 1' },
  RUNNER_TIMEOUT_MS: { path: ['delegation', 'timeout'], read: number, form: 'milliseconds' },
  MAX_TASK_FILE_SIZE: { path: ['delegation', 'maxFileBytes'], read: number, form: 'bytes, a whole number from 1' },
  GANTRY_PLANNER_MODEL: { path: ['planner', 'model'], read: text, form: 'provider/model' },
  GANTRY_PLANNER_ENDPOINT: { path: ['planner', 'endpoint'], read: text, form: 'a URL' },
  GANTRY_PLANNER_TEMPERATURE: { path: ['planner', 'temperature'], read: number, form: 'a number from 0 to 2' },
  GANTRY_PLANNER_PROMPT_FILE: { path: ['planner', 'promptFile'], read: absolute, form: 'an absolute path' },
};

/** What the environment sets. @throws AppError bad_config */
export function environmentLeaves(environment: Environment): Leaf[] {
  return Object.entries(VARIABLES).flatMap(([name, { path, read, form }]) => {
    const given = variable(environment, name);
    if (given === undefined) return [];
    const value = read(given);
    const config = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
    if (value === undefined || !Config.safeParse(config).success) {
      throw new AppError('bad_config', `${name}: "${redact(given)}" cannot be used: expected ${form}`, {
        details: { variable: name, expected: form },
      });
    }
    return [{ path, value, layer: 'environment' as const, source: name }];
  });
}
