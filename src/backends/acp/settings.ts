import type { ClientContext, NewSessionResponse } from '@agentclientprotocol/sdk/unstable';
import { z } from 'zod';
import { AppError } from '../../contract/errors.ts';
import type { BackendContext, OpenSpec } from '../backend.ts';

/** `backends.<id>.config`: the agent's mode, and further options by their id, in the agent's own words. */
export const AcpConfig = z.strictObject({
  mode: z.string().optional(),
  options: z.record(z.string(), z.union([z.string(), z.boolean()])).optional(),
});

/** What a session may be set to. */
export type Offer = Pick<NewSessionResponse, 'modes' | 'configOptions'>;
type Option = NonNullable<NewSessionResponse['configOptions']>[number];

/** Sets mode, model and options. @throws AppError `unsupported`, naming what the agent offers */
export async function applySettings(
  agent: ClientContext,
  sessionId: string,
  { modes, configOptions }: Offer,
  spec: OpenSpec,
  { settings }: BackendContext,
): Promise<void> {
  const { mode, options = {} } = AcpConfig.parse(settings.config ?? {});
  const offered = configOptions ?? [];
  const set = async (option: Option | undefined, name: string, value: string | boolean): Promise<void> => {
    if (!option)
      throw lacks(
        `no option "${name}"`,
        offered.map(({ id }) => id),
      );
    if (option.type === 'boolean' && typeof value === 'boolean') {
      await agent.request('session/set_config_option', { sessionId, configId: option.id, type: 'boolean', value });
    } else if (option.type === 'select' && typeof value === 'string') {
      const values = valuesOf(option);
      if (!values.includes(value)) throw lacks(`no ${name} "${value}"`, values);
      if (option.currentValue === value) return;
      await agent.request('session/set_config_option', { sessionId, configId: option.id, value });
    } else throw lacks(`no ${name} ${JSON.stringify(value)}`, [option.type]);
  };
  const ofCategory = (category: string): Option | undefined => offered.find((option) => option.category === category);
  if (mode !== undefined && modes) {
    const ids = modes.availableModes.map(({ id }) => id);
    if (!ids.includes(mode)) throw lacks(`no mode "${mode}"`, ids);
    if (modes.currentModeId !== mode) await agent.request('session/set_mode', { sessionId, modeId: mode });
  } else if (mode !== undefined) await set(ofCategory('mode'), 'mode', mode);
  const model = spec.model ?? settings.model ?? null;
  if (model !== null) await set(ofCategory('model'), 'model', model);
  for (const [id, value] of Object.entries(options)) {
    await set(
      offered.find((option) => option.id === id),
      id,
      value,
    );
  }
}

const valuesOf = (option: Extract<Option, { type: 'select' }>): string[] =>
  option.options.flatMap((entry) => ('options' in entry ? entry.options.map(({ value }) => value) : [entry.value]));

const lacks = (what: string, offered: readonly string[]): AppError =>
  new AppError('unsupported', `the agent has ${what}; it offers: ${offered.join(', ') || 'nothing'}`);
