import type { OutputOf, ParsedInputOf } from '../../contract/api.ts';
import type { Project } from '../../contract/project.ts';
import type { Request } from '../../contract/request.ts';
import type { Parts } from '../parts.ts';
import { conversationLines } from './conversation.ts';
import { type PromptInput, systemPrompt, userPrompt } from './planner-prompt.ts';
import { projectContext } from './project-context.ts';

/** Among so many of a project's newest requests the turns of its conversation are looked for. */
const MAX_TURNS = 200;

type Asked = Pick<Request['options'], 'maxTasks' | 'isConversation'> & { readonly text: string };

/** Everything that the planner is told: the request, the project, its roles, its open tasks, the conversation before it. */
export async function plannerInput(
  { store: { read }, settingsFor }: Pick<Parts, 'store' | 'settingsFor'>,
  { id: projectId, path }: Project,
  { text, maxTasks, isConversation }: Asked,
  before?: Request['id'],
): Promise<PromptInput> {
  const { roles, planner } = settingsFor(path);
  const turns = (): Request[] =>
    read.requests
      .list({ projectId, order: 'desc', limit: MAX_TURNS, ...(before && { after: before }) })
      .filter(({ options }) => options.isConversation);
  return {
    request: text,
    context: await projectContext(path),
    maxTasks,
    roles: Object.entries(roles).map(([name, role]) => ({ name, description: role.prompt ?? '' })),
    openTasks: read.tasks
      .list({ projectId, state: ['ready', 'working', 'blocked'], limit: 50 })
      .map((task) => task.title),
    conversation: isConversation ? conversationLines(turns()) : [],
    extraInstructions: planner.instructions ?? null,
  };
}

/**
 * What a planner would be asked, and which one. No model is called.
 * @throws AppError bad_config, and what `resolveProject` throws for a directory that is no project
 */
export async function previewPlan(
  parts: Parts,
  project: Project,
  { text, options }: ParsedInputOf<'plans.preview'>,
): Promise<OutputOf<'plans.preview'>> {
  parts.checkSettings?.(project.path);
  const settings = parts.settingsFor(project.path);
  const { planner } = settings;
  const isOwnModel = parts.askPlannerModel?.(project.path) != null;
  const backend = options.backend ?? settings.defaultBackend;
  const input = await plannerInput(parts, project, {
    text,
    maxTasks: options.maxTasks ?? planner.maxTasks,
    isConversation: options.isConversation ?? false,
  });
  return {
    by: planner.isOff ? 'nobody' : isOwnModel ? 'model' : 'backend',
    model: (isOwnModel ? planner.model : (options.model ?? settings.backends[backend]?.model)) ?? null,
    backend: isOwnModel ? null : backend,
    maxTasks: input.maxTasks,
    timeoutMs: planner.timeout,
    system: systemPrompt(input),
    user: userPrompt(input, null),
  };
}
