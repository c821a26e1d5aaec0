import { z } from 'zod';
import type { Config } from '../contract/config.ts';
import { DEFAULTS } from '../contract/config-defaults.ts';
import { AppError } from '../contract/errors.ts';
import { didYouMean } from '../daemon/nearest.ts';

const text = z.string().min(1);
const version = z.literal(1);

/** `<rig>/settings/config.json` and `settings/config.json` (Gastown, type and version as in its files). */
const Rig = z.strictObject({
  type: z.literal('rig-settings'),
  version,
  agent: text.optional(),
  runtime: z
    .strictObject({
      provider: text.optional(),
      command: text.optional(),
      hooks: z
        .strictObject({ provider: text.optional(), dir: text.optional(), settings_file: text.optional() })
        .optional(),
    })
    .optional(),
});
const Town = z.strictObject({
  type: z.literal('town-settings'),
  version,
  default_agent: text.optional(),
  role_agents: z.record(z.string().regex(/^[\w.-]{1,40}$/, 'letters, digits, dots and dashes'), text).optional(),
});
type Rig = z.infer<typeof Rig>;
type Town = z.infer<typeof Town>;

const TYPES: Readonly<Record<string, typeof Rig | typeof Town>> = { 'rig-settings': Rig, 'town-settings': Town };

/** What a role of Gastown is in number. Those that are not named are as many as there is work. */
const INSTANCES: Readonly<Record<string, 'project' | 'plane'>> = {
  mayor: 'plane',
  deacon: 'plane',
  witness: 'project',
  refinery: 'project',
};
const SUPERVISORS = new Set(['witness', 'deacon']);

export type GastownImport = { readonly user: Config; readonly project: Config; readonly notices: readonly string[] };

/**
 * Reads settings of a town (for the user's file) and of a rig (for a project's).
 * @param configured backends of the user's own configuration, accepted beside the built-in ones
 * @throws AppError bad_config with file and path of every fault
 */
export function readGastown(
  files: readonly { readonly name: string; readonly text: string }[],
  configured: readonly string[],
): GastownImport {
  const known = [...new Set([...Object.keys(DEFAULTS.backends), 'claude', ...configured])];
  const parts = files.map(({ name, text: words }) => {
    const settings = parse(name, words);
    return settings.type === 'town-settings' ? townOf(settings, name, known) : rigOf(settings, name, known);
  });
  return {
    user: Object.assign({}, ...parts.map(({ user }) => user)) as Config,
    project: Object.assign({}, ...parts.map(({ project }) => project)) as Config,
    notices: parts.flatMap(({ notices }) => notices),
  };
}

function parse(file: string, words: string): Rig | Town {
  let value: unknown;
  try {
    value = JSON.parse(words);
  } catch (error) {
    throw new AppError('bad_config', `${file}: not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  const type = typeof value === 'object' && value !== null && 'type' in value ? String(value.type) : '';
  const schema = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (!schema) {
    throw new AppError('bad_config', `${file}: type: "${type}" is not accepted: ${Object.keys(TYPES).join(', ')}`);
  }
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  throw new AppError('bad_config', checked.error.issues.flatMap((issue) => faultsOf(issue, schema, file)).join('\n'));
}

function faultsOf(issue: z.core.$ZodIssue, schema: typeof Rig | typeof Town, file: string): string[] {
  const at = (path: readonly PropertyKey[], message: string): string => `${file}: ${path.join('.')}: ${message}`;
  if (issue.code !== 'unrecognized_keys') return [at(issue.path, issue.message)];
  return issue.keys.map((key) => at([...issue.path, key], `unknown key${didYouMean(key, keysAt(schema, issue.path))}`));
}

function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let inner: z.ZodType | undefined = schema;
  for (const part of ['', ...path]) {
    if (part !== '')
      inner = inner instanceof z.ZodObject ? (inner.shape as Record<string, z.ZodType>)[String(part)] : undefined;
    if (inner instanceof z.ZodOptional) inner = inner.unwrap() as z.ZodType;
  }
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

function needBackend(file: string, path: string, id: string, known: readonly string[]): string {
  if (known.includes(id)) return id;
  throw new AppError('bad_config', `${file}: ${path}: there is no backend "${id}"; known: ${known.join(', ')}`);
}

function townOf(town: Town, file: string, known: readonly string[]): GastownImport {
  const roles = Object.entries(town.role_agents ?? {}).map(([role, id]) => {
    const backend = needBackend(file, `role_agents.${role}`, id, known);
    const instances = Object.hasOwn(INSTANCES, role) ? INSTANCES[role] : undefined;
    return [role, { backend, ...(instances && { instances }) }] as const;
  });
  const defaultBackend = town.default_agent && needBackend(file, 'default_agent', town.default_agent, known);
  return {
    user: { ...(defaultBackend && { defaultBackend }), ...(roles.length > 0 && { roles: Object.fromEntries(roles) }) },
    project: {},
    notices: roles
      .filter(([role]) => SUPERVISORS.has(role))
      .map(([role]) => `role_agents.${role}: the role was made, but supervision needs no agent: Gantry does it itself`),
  };
}

function rigOf({ agent, runtime }: Rig, file: string, known: readonly string[]): GastownImport {
  const provider = runtime?.provider;
  if (agent !== undefined && provider !== undefined && agent !== provider) {
    throw new AppError(
      'bad_config',
      `${file}: agent is "${agent}" and runtime.provider is "${provider}": they must be the same`,
    );
  }
  const named = agent ?? provider;
  const backend = named && needBackend(file, agent === undefined ? 'runtime.provider' : 'agent', named, known);
  const hooks = Object.entries(runtime?.hooks ?? {});
  const { command } = runtime ?? {};
  const own = command !== undefined && command !== backend ? ownBackend(backend, command, file) : null;
  return {
    user: own === null ? {} : { backends: { [own]: { command: command?.split(' ') } } },
    project: backend ? { defaultBackend: own ?? backend } : {},
    notices: hooks.map(([key]) => `runtime.hooks.${key} has no effect: Gantry installs no plugin in a repository`),
  };
}

/** Another executable is another backend of the same kind: its id begins with the kind's. */
function ownBackend(backend: string | undefined, command: string, file: string): string {
  if (backend === undefined)
    throw new AppError(
      'bad_config',
      `${file}: runtime.command: whose program "${command}" is says agent or runtime.provider`,
    );
  const name = command.split(/[\\/]/).at(-1) ?? '';
  return `${backend}-${name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')}`.slice(0, 32);
}
