import type { OutputOf, ParsedInputOf } from '../contract/api.ts';
import type { Approval, Decision, Grant } from '../contract/approval.ts';
import { type Caller, GANTRY } from '../contract/caller.ts';
import { AppError } from '../contract/errors.ts';
import type { ApprovalId, BackendId, MessageId, RequestId, SessionId, TaskId } from '../contract/ids.ts';
import type { Message, ShownMessage } from '../contract/message.ts';
import type { Project } from '../contract/project.ts';
import type { Request } from '../contract/request.ts';
import { Git } from '../git/git.ts';
import { Agents } from './agents/agents.ts';
import { escalate } from './agents/escalate.ts';
import { Loans } from './agents/loans.ts';
import { sling } from './agents/sling.ts';
import { StandingAgents } from './agents/standing.ts';
import { WarmPool } from './agents/warm-pool.ts';
import { Approvals } from './approvals/approvals.ts';
import { ForeignAnswers } from './approvals/foreign-answers.ts';
import { pickableFiles } from './approvals/picked-files.ts';
import { Collector } from './attempts/collect.ts';
import { Workspaces } from './attempts/workspace.ts';
import { Control, type Controlled } from './control.ts';
import { Delegations } from './delegation/delegations.ts';
import { grantDowntime } from './downtime.ts';
import { EmergencyStops } from './estop.ts';
import { type Explanation, explain } from './explain.ts';
import { MergeQueue } from './merge/merge-queue.ts';
import { Overlaps } from './merge/overlap.ts';
import { broadcast } from './messages/broadcast.ts';
import { shown } from './messages/hold.ts';
import { archiveMessage, readMessage, sendMessage } from './messages/post.ts';
import { Events } from './observations/events.ts';
import { Themes } from './observations/themes.ts';
import type { Parts } from './parts.ts';
import { previewPlan } from './planning/planner-input.ts';
import { insertTasks, Planning } from './planning/planning.ts';
import { policyTest } from './policy/policy.ts';
import { addProject, needProject, removeProject, resolveProject } from './projects.ts';
import { Queries } from './queries.ts';
import { type Recovered, recover } from './recovery.ts';
import { Dispatcher } from './scheduling/dispatch.ts';
import { MemoryUse } from './scheduling/memory-use.ts';
import { Probes } from './scheduling/probes.ts';
import { Execs } from './sessions/exec.ts';
import { submitRequest } from './submit.ts';

const CLOSE_GRACE_MS = 5_000;

/** The one door to the work: every command and every question of people and programs goes through it. */
export class Engine {
  readonly #parts: Parts;
  readonly #git: Git;
  readonly #approvals: Approvals;
  readonly #foreign: ForeignAnswers;
  readonly #collector: Collector;
  readonly #dispatcher: Dispatcher;
  readonly #planning: Planning;
  readonly #control: Control;
  readonly #stops: EmergencyStops;
  readonly #execs: Execs;
  readonly #standing: StandingAgents;
  readonly #loans: Loans;
  readonly agents: Agents;
  readonly #probes: Probes;
  readonly queries: Queries;
  readonly merges: MergeQueue;
  readonly #overlaps: Overlaps;
  readonly events: Events;
  readonly themes: Themes;
  readonly delegations: Delegations;
  #closing: Promise<void> | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#git = new Git(parts.gitEnvironment, `git:${parts.workspaces}`);
    const foreign = new ForeignAnswers(parts, (seq) => this.events.json(seq));
    this.#foreign = foreign;
    this.#approvals = new Approvals(parts, foreign);
    const workspaces = new Workspaces(parts, this.#git);
    this.#collector = new Collector(parts, this.#git, workspaces);
    this.#standing = new StandingAgents(parts, { approvals: this.#approvals, workspaces });
    const memory = new MemoryUse(parts);
    const pool = new WarmPool(parts, { git: this.#git, standing: this.#standing, workspaces, memory });
    this.#dispatcher = new Dispatcher(parts, {
      approvals: this.#approvals,
      workspaces,
      collector: this.#collector,
      standing: this.#standing,
      pool,
      memory,
    });
    this.#loans = new Loans(parts, this.#dispatcher, this.#standing);
    this.#standing.onChanged = () => this.#dispatcher.wake();
    pool.onChanged = () => this.#dispatcher.wake();
    this.#approvals.onCarriedOut = () => this.#dispatcher.wake();
    this.#planning = new Planning(parts, this.#approvals, () => this.#dispatcher.wake());
    this.#control = new Control(parts, this.#dispatcher, this.#planning);
    this.merges = new MergeQueue(parts, this.#git, (id) => this.#planning.start(id), {
      begin: () => this.#dispatcher.wake(),
      end: (id, cause) => this.#control.cancel(id, cause, GANTRY),
    });
    this.#overlaps = new Overlaps(parts, this.#git);
    this.#execs = new Execs(parts, this.#approvals);
    this.#stops = new EmergencyStops(parts, {
      dispatcher: this.#dispatcher,
      planning: this.#planning,
      standing: this.#standing,
      execs: this.#execs,
    });
    this.#probes = new Probes(parts);
    this.events = new Events(parts, this.#approvals, foreign);
    this.themes = new Themes(parts);
    this.queries = new Queries(parts, this.#probes, this.#dispatcher);
    this.agents = new Agents(parts, {
      git: this.#git,
      probes: this.#probes,
      dispatcher: this.#dispatcher,
      standing: this.#standing,
      loans: this.#loans,
      pool,
      queries: this.queries,
      workspaces,
    });
    this.delegations = new Delegations(parts, {
      git: this.#git,
      probes: this.#probes,
      approvals: this.#approvals,
      control: this.#control,
      dispatcher: this.#dispatcher,
    });
  }

  /** Brings everything back that was under way, ends what nobody owns, then gives work out. */
  async start(): Promise<Recovered> {
    grantDowntime(this.#parts);
    this.#approvals.start();
    await this.#git.settle();
    const recovered = await recover(this.#parts, {
      planning: this.#planning,
      dispatcher: this.#dispatcher,
      standing: this.#standing,
      loans: this.#loans,
    });
    this.#dispatcher.wake();
    this.#overlaps.start();
    await this.merges.start();
    return recovered;
  }

  /** Running work is kept for the next start. Concurrent callers share one close. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#approvals.stop();
    this.#foreign.stop();
    await Promise.all([
      this.#planning.close(),
      this.#execs.close(),
      this.merges.close(),
      this.#overlaps.close(),
      this.#dispatcher.close(),
      this.#standing.close(),
    ]);
    await Promise.all([...this.#parts.backends.values()].map((b) => b.release?.() ?? b.close(CLOSE_GRACE_MS)));
    await this.#approvals.drained();
  }

  /** @throws AppError for a project or backend that cannot be used; then nothing was made */
  async submit(input: ParsedInputOf<'requests.submit'>, caller: Caller): Promise<Request> {
    const request = await submitRequest(this.#parts, this.#git, this.#probes, input, caller);
    this.#planning.start(request.id);
    return request;
  }

  async previewPlan(input: ParsedInputOf<'plans.preview'>, caller: Caller): Promise<OutputOf<'plans.preview'>> {
    return previewPlan(this.#parts, await resolveProject(this.#parts, this.#git, input.project, caller), input);
  }

  /** Carries out what was only planned. @throws AppError `conflict` */
  execute(id: RequestId, caller: Caller): Request {
    const { store } = this.#parts;
    const request = store.read.requests.need(id);
    const { plan } = request;
    if (request.state !== 'planned' || plan === null)
      throw new AppError('conflict', `${id} is ${request.state}: only a planned request can be carried out`);
    const running = store.commit((tx) => {
      insertTasks(this.#parts, tx, request, plan);
      return tx.requests.move(id, 'planned', 'running', { cause: null }, { actor: caller.actor, cause: 'carried out' });
    });
    this.#dispatcher.wake();
    return running;
  }

  sling(input: ParsedInputOf<'tasks.sling'>, caller: Caller): Promise<OutputOf<'tasks.sling'>> {
    const tools = { git: this.#git, probes: this.#probes, dispatcher: this.#dispatcher };
    return sling(this.#parts, tools, input, caller);
  }

  estop = (...args: Parameters<EmergencyStops['stop']>): Promise<OutputOf<'estop'>> => this.#stops.stop(...args);
  thaw = (...args: Parameters<EmergencyStops['thaw']>): OutputOf<'thaw'> => this.#stops.thaw(...args);

  /** What is done and waits to be merged is taken out of the merge queue. @throws AppError `conflict` if it is over */
  async cancel(id: RequestId | TaskId, reason: string | undefined, caller: Caller): Promise<Controlled> {
    const merge = this.merges.openOf(id);
    if (!merge) return await this.#control.cancel(id, reason, caller);
    const { state, cause } = this.merges.withdraw(merge.id, reason, caller);
    return { id, state, cause };
  }

  pause = (...args: Parameters<Control['pause']>): Promise<Controlled> => this.#control.pause(...args);
  resume = (...args: Parameters<Control['resume']>): Promise<Controlled> => this.#control.resume(...args);
  retry = (...args: Parameters<Control['retry']>): Promise<Controlled> => this.#control.retry(...args);

  decide(id: ApprovalId, decision: Decision, caller: Caller): Approval {
    return this.#approvals.decide(id, decision, caller);
  }

  revokeGrant(id: string, caller: Caller): Grant {
    if (caller.agent !== null) throw new AppError('forbidden', 'An agent cannot change grants.');
    return this.#parts.store.commit((tx) => tx.grants.move(id, 'active', 'revoked', {}, { actor: caller.actor }));
  }

  testPolicy(input: ParsedInputOf<'policy.test'>): OutputOf<'policy.test'> {
    const project = input.project === undefined ? null : needProject(this.#parts, input.project);
    return policyTest(input, this.#parts.settingsFor(project?.path ?? null));
  }

  explain(id: string): Explanation {
    return explain(this.#parts, this.#dispatcher, id);
  }

  async diff(id: RequestId, maxBytes: number): Promise<{ diff: string; isTruncated: boolean }> {
    const request = this.#parts.store.read.requests.need(id);
    return this.#collector.diff(this.#parts.store.read.projects.need(request.projectId), request, maxBytes);
  }

  /** Something may go on that waited for what is outside: a node has joined. */
  look(): void {
    this.#dispatcher.wake();
  }

  async addProject(input: ParsedInputOf<'projects.add'>, caller: Caller): Promise<Project> {
    const project = await addProject(this.#parts, this.#git, input, caller);
    this.#dispatcher.wake();
    return project;
  }

  removeProject(wanted: string, caller: Caller): Project {
    const project = removeProject(this.#parts, wanted, caller);
    this.#dispatcher.wake();
    return project;
  }

  send(input: ParsedInputOf<'messages.send'>, caller: Caller): ShownMessage {
    const message = sendMessage(this.#parts, input, caller);
    this.#mailCame();
    return shown(this.#parts.store.read, message);
  }

  broadcast(input: ParsedInputOf<'messages.broadcast'>, caller: Caller): OutputOf<'messages.broadcast'> {
    const receipts = broadcast(this.#parts, input, caller);
    if (!input.isDryRun) this.#mailCame();
    return { receipts };
  }

  escalate(input: ParsedInputOf<'messages.escalate'>, caller: Caller): Message[] {
    const messages = escalate(this.#parts, input, caller);
    this.#mailCame();
    return messages;
  }

  readMessage(id: MessageId, caller: Caller): OutputOf<'messages.read'> {
    return readMessage(this.#parts, id, caller);
  }

  archiveMessage(id: MessageId, caller: Caller): Message {
    return archiveMessage(this.#parts, id, caller);
  }

  /** Running turns look whether it is for them; its time limit is kept. */
  #mailCame(): void {
    this.#dispatcher.mailCame();
    this.#standing.mailCame();
    this.#dispatcher.wake();
  }

  /** @throws AppError `not_found`, `conflict` for a question that asks for no file */
  pickableFiles({ id, search, limit }: ParsedInputOf<'questions.files'>): Promise<OutputOf<'questions.files'>> {
    return pickableFiles(this.#git, this.#parts.store.read.approvals.need(id), search, limit);
  }

  async exec(input: ParsedInputOf<'exec.start'>): Promise<OutputOf<'exec.start'>> {
    const settings = this.#parts.settingsFor(input.directory);
    await this.#probes.needUsable(input.backend ?? settings.defaultBackend);
    return this.#execs.start(input);
  }

  execResult(id: SessionId, waitMs: number): Promise<OutputOf<'exec.wait'>> {
    return this.#execs.wait(id, waitMs);
  }

  get backendIds(): readonly BackendId[] {
    return [...this.#parts.backends.keys()];
  }
}
