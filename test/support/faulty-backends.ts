import type { Config } from '../../src/contract/config.ts';
import type { Fault, ScriptedAgent } from './scripted-agent.ts';

const FAULTS: readonly Fault[] = ['missing', 'wrongVersion', 'diesAtOnce', 'neverReady'];

/** The id of the backend whose program has that fault. */
export const faultyId = ({ backend }: Pick<ScriptedAgent, 'backend'>, fault: Fault): string =>
  `${backend}-${fault.toLowerCase()}`;

/** A backend for each fault: the same for all scenarios, which share one daemon. */
export const faultyBackends = (agent: ScriptedAgent): NonNullable<Config['backends']> =>
  Object.fromEntries(
    FAULTS.map((fault) => {
      const startLimit = fault === 'neverReady' ? 1_000 : 20_000;
      return [faultyId(agent, fault), { ...agent.broken(fault), startLimit }];
    }),
  );
