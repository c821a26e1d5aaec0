import { join } from 'node:path';
import { parseEnv } from 'node:util';
import type { PlannerSettings } from '../contract/config.ts';
import type { ConfigValue } from '../contract/shapes.ts';
import { PROVIDERS } from '../models/providers.ts';
import { readSmallFile } from './config-file.ts';
import { type Environment, variable } from './environment.ts';

/** A secret by its name; `source` says where it was found, never what it is. */
export type Credential = { readonly name: string; readonly value: string; readonly source: string };

const ENVIRONMENT = 'process environment';

/** Sent to OpenRouter as `HTTP-Referer` and `X-Title`, by the name of the variable. */
const OPENROUTER_HEADERS: Readonly<Record<string, string>> = {
  OPENROUTER_HTTP_REFERER: 'HTTP-Referer',
  OPENROUTER_X_TITLE: 'X-Title',
};

const isOpenRouter = ({ model, endpoint }: PlannerSettings): boolean =>
  model?.startsWith('openrouter/') === true || (endpoint ?? '').includes('openrouter.ai');

/** The variables that may hold the planner's key, first one first. */
export function plannerKeyNames(planner: PlannerSettings): readonly string[] {
  if (planner.credential !== undefined) return [planner.credential];
  if (isOpenRouter(planner)) return ['OPENROUTER_API_KEY'];
  const provider = (planner.model ?? '').split('/')[0] ?? '';
  return Object.hasOwn(PROVIDERS, provider) ? (PROVIDERS[provider]?.keyNames ?? []) : ['OPENAI_API_KEY'];
}

/**
 * The values of these names: from the process's environment, else `<project>/.env`, else `<project>/credentials/.env`.
 * The files are parsed, never executed, and nothing else is taken from them. @throws AppError bad_config
 */
export function findCredentials(
  names: readonly string[],
  environment: Environment,
  projectPath: string | null,
): readonly Credential[] {
  const places: { readonly source: string; readonly values: Environment }[] = [
    { source: ENVIRONMENT, values: environment },
    ...envFilesOf(projectPath).map((file) => ({ source: file, values: parseEnv(readSmallFile(file) ?? '') })),
  ];
  return names.flatMap((name) => {
    const place = places.find(({ values }) => variable(values, name) !== undefined);
    return place ? [{ name, value: variable(place.values, name) ?? '', source: place.source }] : [];
  });
}

export const envFilesOf = (projectPath: string | null): readonly string[] =>
  projectPath === null ? [] : [join(projectPath, '.env'), join(projectPath, 'credentials', '.env')];

/** The planner's key and the headers that OpenRouter wants; `credential` is null if no name has a value. */
export function plannerCredentials(
  planner: PlannerSettings,
  environment: Environment,
  projectPath: string | null,
): { readonly credential: Credential | null; readonly headers: Readonly<Record<string, string>> } {
  const [credential] = findCredentials(plannerKeyNames(planner), environment, projectPath);
  const headers = isOpenRouter(planner)
    ? findCredentials(Object.keys(OPENROUTER_HEADERS), environment, projectPath)
    : [];
  return {
    credential: credential ?? null,
    headers: Object.fromEntries(headers.map(({ name, value }) => [OPENROUTER_HEADERS[name] ?? name, value])),
  };
}

/** What `config explain credentials` shows: names and sources, no values. */
export function explainCredentials(
  planner: PlannerSettings,
  environment: Environment,
  projectPath: string | null,
): ConfigValue[] {
  const names = [...plannerKeyNames(planner), ...(isOpenRouter(planner) ? Object.keys(OPENROUTER_HEADERS) : [])];
  const found = findCredentials(names, environment, projectPath);
  return names.map((name) => {
    const credential = found.find((one) => one.name === name);
    const layer = credential ? (credential.source === ENVIRONMENT ? 'environment' : 'project') : 'built-in';
    return {
      key: `credentials.${name}`,
      value: credential ? '[set]' : null,
      layer,
      source: credential?.source ?? 'not set',
    };
  });
}
