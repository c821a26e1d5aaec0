import type { DoctorCheck } from '../contract/shapes.ts';
import type { Settings } from '../engine/settings.ts';
import { askModel } from '../models/direct.ts';
import { envFilesOf, findCredentials, plannerCredentials, plannerKeyNames } from './credentials.ts';
import { notice, ok, problem } from './doctor-checks.ts';
import type { Environment } from './environment.ts';

const LIMIT_MS = 15_000;

/** The planner's own model: its key and where that came from, its name, and (not `isQuick`) whether it answers. */
export async function checkPlanner(
  { planner, defaultBackend }: Pick<Settings, 'planner' | 'defaultBackend'>,
  environment: Environment,
  projectPath: string | null,
  isQuick: boolean,
): Promise<DoctorCheck[]> {
  const { model, endpoint } = planner;
  if (planner.isOff) return [ok('planner', 'off: every request is one task')];
  if (model === undefined) return [ok('planner', `the model of ${defaultBackend} plans`)];
  const names = plannerKeyNames(planner);
  const { credential, headers } = plannerCredentials(planner, environment, projectPath);
  const said = [...conflicts(names, environment, projectPath), ...bareName(model, endpoint)];
  if (!credential && names.length > 0 && (endpoint === undefined || planner.credential !== undefined)) {
    const repair = `set ${names.join(' or ')}, or remove planner.model: then the model of ${defaultBackend} plans`;
    return [problem('planner', `${model} has no key: requests become one task each`, repair), ...said];
  }
  const key = credential ? `${credential.name} from ${credential.source}` : 'no key';
  if (isQuick) return [ok('planner', `${model}, ${key}`), ...said];
  const answer = await askModel({
    model,
    system: 'You are asked whether you answer.',
    prompt: 'Answer with the word ok.',
    limitMs: LIMIT_MS,
    signal: AbortSignal.timeout(LIMIT_MS + 1_000),
    credential,
    headers,
    ...(endpoint !== undefined && { endpoint }),
  });
  if (answer.ok) return [ok('planner', `${model} answered (${key})`), ...said];
  return [problem('planner', `${answer.message} (${answer.class}; ${key})`, REPAIRS[answer.class]), ...said];
}

const REPAIRS = {
  auth: 'replace the key; an older one in another place may have won: `gantry config explain credentials`',
  no_key: 'set the key',
  quota: 'add credit, or choose another planner.model',
  rate: 'wait, or choose another planner.model',
  timeout: 'is the server there and the model loaded? for Ollama: `ollama run <model>` once',
  unreachable: 'check planner.endpoint, the network and the proxy variables',
  empty: 'choose another planner.model',
  model: 'check the name of the model, with its provider: `gantry config explain planner.model`',
} as const;

/** A key that has another value in a place that is passed over: the recorded cause of many a 401. */
function conflicts(names: readonly string[], environment: Environment, projectPath: string | null): DoctorCheck[] {
  const [used] = findCredentials(names, environment, projectPath);
  if (!used) return [];
  const others = envFilesOf(projectPath).length > 0 ? findCredentials([used.name], {}, projectPath) : [];
  return others
    .filter(({ value, source }) => value !== used.value && source !== used.source)
    .map(({ name, source }) => {
      return notice('planner', `${name} has another value in ${source}; the one from ${used.source} is used`, null);
    });
}

function bareName(model: string, endpoint: string | undefined): DoctorCheck[] {
  const isOpenRouter = model.startsWith('openrouter/') || (endpoint ?? '').includes('openrouter.ai');
  const id = model.replace(/^openrouter\//, '');
  if (!isOpenRouter || id.includes('/')) return [];
  return [notice('planner', `OpenRouter does not know "${id}"`, `name its provider too, such as openai/${id}`)];
}
