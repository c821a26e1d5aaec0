import { opencode } from './opencode-agent.ts';
import { type AgentKind, fake } from './scripted-agent.ts';

/** The backends that every scenario runs on. */
export const AGENT_KINDS: readonly AgentKind[] = [fake, opencode];
