import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';

type Prompt = {
  readonly name: string;
  readonly title: string;
  readonly arguments: readonly { readonly name: string; readonly description: string; readonly required: boolean }[];
  readonly text: (given: Readonly<Record<string, string>>) => string;
};

const TASK = { name: 'task_id', description: 'A task: task-…', required: true };

/** Common jobs, in words for the model of the one who asks. */
const PROMPTS: readonly Prompt[] = [
  {
    name: 'delegate',
    title: 'Hand a task to Gantry and see it through',
    arguments: [
      { name: 'task', description: 'What is to be done', required: true },
      { name: 'project', description: 'A registered project or an absolute path', required: false },
    ],
    text: ({ task, project }) =>
      `Hand this to Gantry with opencode_execute_task${project ? `, project ${JSON.stringify(project)}` : ''}, then follow it with wait_task until it has ended. If it is blocked, tell me what it asks and wait for my answer. At the end read get_task_diff and tell me in a few sentences what was changed and what is open.\n\nThe task:\n${task}`,
  },
  {
    name: 'review',
    title: 'Review the work of a task',
    arguments: [TASK],
    text: ({ task_id: id }) =>
      `Read get_task_status, get_task_diff and, where you need more, read_task_file of ${id}. Say first whether the change does what the task asks, then list faults by severity with file and line, then what is missing. Change nothing.`,
  },
  {
    name: 'unblock',
    title: 'Find out why a task does not go on',
    arguments: [TASK],
    text: ({ task_id: id }) =>
      `Look at get_task_status of ${id}, list_approvals and the end of get_task_history. Tell me in one sentence what it waits for or why it failed, and what I can do: answer it, send a message, retry, or cancel. Do none of it without my word.`,
  },
];

export const listPrompts = () =>
  PROMPTS.map(({ text: _, arguments: args, ...prompt }) => ({ ...prompt, arguments: [...args] }));

/** @throws ProtocolError invalid params, naming what is accepted */
export function getPrompt(name: string, given: Readonly<Record<string, string>> = {}) {
  const invalid = (words: string) => new ProtocolError(ProtocolErrorCode.InvalidParams, words);
  const prompt = PROMPTS.find((one) => one.name === name);
  if (!prompt) throw invalid(`there is no prompt ${name}; accepted: ${PROMPTS.map((one) => one.name).join(', ')}`);
  const missing = prompt.arguments.find((one) => one.required && !given[one.name]);
  if (missing) throw invalid(`the prompt ${name} needs ${missing.name}: ${missing.description}`);
  const content = { type: 'text' as const, text: prompt.text(given) };
  return { description: prompt.title, messages: [{ role: 'user' as const, content }] };
}
