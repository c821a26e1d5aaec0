import type { InitializeResponse } from '@agentclientprotocol/sdk/unstable';
import type { Capabilities } from '../backend.ts';

/** What every agent has, and what the protocol has no word for. The rest is taken to be there until the agent has told. */
export const UNSEEN: Capabilities = {
  resume: true,
  fork: false,
  steer: false,
  interrupt: true,
  questions: false,
  children: false,
  mcp: true,
  reasoning: true,
  cost: false,
  transcript: true,
  survivesRestart: false,
  attach: false,
};

/** As the agent advertises them; `hasCost`: it has told what a session costs. */
export function capabilitiesOf({ agentCapabilities }: InitializeResponse, hasCost: boolean): Capabilities {
  const { loadSession = false, sessionCapabilities } = agentCapabilities ?? {};
  return {
    ...UNSEEN,
    resume: loadSession || Boolean(sessionCapabilities?.resume),
    fork: Boolean(sessionCapabilities?.fork),
    cost: hasCost,
  };
}
