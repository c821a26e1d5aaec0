import type { PolicyVerdict, ToolCall } from '../../contract/approval.ts';
import type { Project } from '../../contract/project.ts';
import type { Session } from '../../contract/session.ts';
import type { Parts } from '../parts.ts';
import type { Settings } from '../settings.ts';
import { decide } from './policy.ts';

type Judging = Pick<Parts, 'store' | 'clock' | 'settingsFor'>;

/** What policy and grants say about a session's call, by its project, role and directory. */
export class Judge {
  readonly #parts: Judging;

  constructor(parts: Judging) {
    this.#parts = parts;
  }

  /** On what the agent wants to do. */
  ofAgent(session: Session, call: ToolCall): PolicyVerdict {
    const { settings } = this.context(session);
    return this.#judge(session, call, settings.roles[roleOf(session, settings)]?.isReadOnly ?? false);
  }

  /** On what Gantry would do for the session's task: a reviewer's own limits are not meant. */
  ofGantry(session: Session, call: ToolCall): PolicyVerdict {
    return this.#judge(session, call, false);
  }

  context(session: Session): { readonly project: Project | undefined; readonly settings: Settings } {
    const { store, settingsFor } = this.#parts;
    const attempt = session.attemptId ? store.read.attempts.need(session.attemptId) : null;
    const projectId = attempt
      ? store.read.requests.need(attempt.requestId).projectId
      : ((session.agent && store.read.agents.get(session.agent)?.projectId) ?? null);
    const active = store.read.projects.list({ state: 'active' });
    const project = active.find((p) => p.id === projectId || (projectId === null && p.path === session.directory));
    return { project, settings: settingsFor(project?.path ?? session.directory) };
  }

  #judge(session: Session, call: ToolCall, isReadOnly: boolean): PolicyVerdict {
    const { store, clock } = this.#parts;
    const { project, settings } = this.context(session);
    const grants = store.read.grants
      .list({ state: 'active' })
      .filter((g) => (g.scope === 'session' ? g.sessionId === session.id : g.projectId === project?.id));
    const { backend, directory } = session;
    const input = { call, role: roleOf(session, settings), isReadOnly, backend, directory };
    return decide(input, settings.policy, grants, clock.now());
  }
}

const roleOf = (session: Session, settings: Settings): string => session.agent?.split('/')[1] ?? settings.defaultRole;
