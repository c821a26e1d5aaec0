import type { Fact, FactData } from '../contract/fact.ts';
import { isRequestOver, type Request } from '../contract/request.ts';
import { isTaskOver, type Task } from '../contract/task.ts';
import type { Observation } from './observe.ts';

/** A request that a session has given to Gantry: what is known of it, and what of it is worth telling under the session. */
export class Relay {
  readonly #sessionId: string;
  readonly #tasks = new Map<string, Task>();
  /** Things that were told; facts may come again after a broken connection. */
  readonly #told = new Set<string>();
  request: Request;

  constructor(sessionId: string, request: Request) {
    this.#sessionId = sessionId;
    this.request = request;
  }

  get isOver(): boolean {
    return isRequestOver(this.request.state);
  }

  get tasks(): readonly Task[] {
    return [...this.#tasks.values()].sort((a, b) => a.position - b.position);
  }

  fact(fact: Fact): Observation[] {
    switch (fact.kind) {
      case 'request.changed':
        return this.#request(fact.data.row);
      case 'task.changed':
        return this.#task(fact.data.row);
      case 'attempt.changed':
        return this.#attempt(fact.data.row);
      case 'tool.started':
        return this.#tool('ToolRequested', fact, { tool_input: fact.data.input });
      case 'tool.ended': {
        const { status, output } = fact.data;
        const isDone = status === 'completed';
        const said = isDone ? { tool_response: output } : { error: output };
        return this.#tool(isDone ? 'ToolCompleted' : 'ToolFailed', fact, { success: isDone, ...said });
      }
      default:
        return [];
    }
  }

  #request(row: Request): Observation[] {
    this.request = row;
    const { plan } = row;
    return (plan?.tasks ?? []).flatMap((task) =>
      this.#once('TaskPlanned', task.id, {
        task_id: task.id,
        description: task.description,
        title: task.title,
        files: task.files,
        success_criteria: task.successCriteria.map(({ text }) => text),
        dependencies: task.dependsOn,
        budget: task.budget,
        source: task.source,
        ...(plan?.fallbackReason && { fallbackReason: plan.fallbackReason }),
      }),
    );
  }

  #task(row: Task): Observation[] {
    this.#tasks.set(row.id, row);
    if (!isTaskOver(row.state)) return [];
    const isDone = row.state === 'done';
    const changed = row.result?.filesChanged ?? [];
    const paths = (isWanted: (status: string) => boolean): string[] =>
      changed.flatMap(({ path, status }) => (isWanted(status) ? [path] : []));
    return this.#once(isDone ? 'TaskCompleted' : 'TaskFailed', `${row.id} ${row.attempts}`, {
      task_id: row.label,
      success: isDone,
      files_created: paths((status) => status === 'added'),
      files_modified: paths((status) => status !== 'added'),
      errors: isDone ? [] : [row.failure?.message ?? row.cause ?? row.state],
    });
  }

  #attempt({ id, taskId, agent, number }: FactData<'attempt.changed'>['row']): Observation[] {
    const task = this.#tasks.get(taskId);
    return this.#once('TaskAssigned', id, {
      task_id: task?.label ?? taskId,
      worker_id: agent,
      description: task?.description ?? '',
      attempt: number,
    });
  }

  #tool(
    type: string,
    { data, taskId }: Extract<Fact, { kind: 'tool.started' | 'tool.ended' }>,
    more: Observation['payload'],
  ): Observation[] {
    const { callId, tool, title } = data;
    return this.#once(type, `${taskId} ${callId}`, {
      call_id: callId,
      tool_use_id: callId,
      tool,
      tool_name: tool,
      title,
      task_id: this.#tasks.get(taskId ?? '')?.label ?? taskId,
      ...more,
    });
  }

  #once(type: string, key: string, payload: Observation['payload']): Observation[] {
    const whole = `${type} ${key}`;
    if (this.#told.has(whole)) return [];
    this.#told.add(whole);
    return [{ type, sessionId: this.#sessionId, payload: { request_id: this.request.id, ...payload } }];
  }
}
