import { parse } from 'jsonc-parser';
import { z } from 'zod';
import type { DoctorCheck } from '../contract/shapes.ts';
import { notice, ok } from './doctor-checks.ts';
import type { Environment } from './environment.ts';
import { opencodeFiles, readPersonsFile } from './plugin-files.ts';

const Servers = z.record(z.string(), z.unknown());
const Server = z.looseObject({
  type: z.unknown().optional(),
  command: z.union([z.string(), z.array(z.string())]).optional(),
  args: z.array(z.string()).optional(),
  env: z.unknown().optional(),
  environment: z.unknown().optional(),
  url: z.string().optional(),
});
const Settings = z.looseObject({ mcp: Servers.optional().catch(undefined), mcpServers: Servers.optional() });

/** MCP servers that OpenCode 1.18.33 does not take as they are written: it says nothing, or refuses the whole file. */
export function checkOpencodeServers(environment: Environment, projectPath: string | null): DoctorCheck[] {
  const files = [...opencodeFiles(environment, null), ...(projectPath ? opencodeFiles(environment, projectPath) : [])];
  const faults = files.flatMap((file) => {
    const text = readPersonsFile(file);
    return text === null ? [] : faultsIn(file, text);
  });
  return faults.length > 0 ? faults : [ok('opencode mcp', 'nothing that OpenCode would not take')];
}

function faultsIn(file: string, text: string): DoctorCheck[] {
  const { mcp = {}, mcpServers = {} } = Settings.safeParse(parse(text)).data ?? {};
  const ignored = Object.entries(mcpServers).map(([name, given]) =>
    notice('opencode mcp', `${file}: OpenCode does not read mcpServers, and ${name} in it`, remedy(name, given)),
  );
  const refused = Object.entries(mcp).flatMap(([name, given]) => {
    const { type } = Server.safeParse(given).data ?? {};
    if (type === undefined || type === 'local' || type === 'remote') return [];
    const fault = `${file}: mcp.${name} has the type ${JSON.stringify(type)}: OpenCode refuses the whole configuration`;
    return [notice('opencode mcp', fault, remedy(name, given))];
  });
  return [...ignored, ...refused];
}

/** The form that works. Variables may hold secrets: their values are not repeated. */
function remedy(name: string, given: unknown): string {
  const { command, args = [], url, env, environment } = Server.safeParse(given).data ?? {};
  const words = command === undefined ? null : [command, args].flat();
  if (words === null && url === undefined) return 'see `gantry mcp config opencode` for the form that works';
  const server = words ? { type: 'local', command: words, enabled: true } : { type: 'remote', url, enabled: true };
  const variables = env ?? environment;
  const more = variables === undefined ? '' : ', and its variables as "environment"';
  return `write ${JSON.stringify({ mcp: { [name]: server } })}${more}`;
}
