import { describe, expect, it } from 'vitest';
import { INPUTS, jsonSchemaOf } from './task-schemas.ts';
import { TASK_TOOLS } from './task-tools.ts';

const string = { type: 'string' };
const number = { type: 'number' };
const boolean = { type: 'boolean' };

/** What clients of the task server were written against. */
const CONTRACT = {
  ping: { properties: {} },
  health: { properties: {} },
  opencode_execute_task: {
    properties: {
      agent_id: string,
      task_description: string,
      idempotency_key: string,
      timeout_ms: number,
      sync: { ...boolean, default: false },
      observers: { type: 'array', items: string },
    },
    required: ['agent_id', 'task_description'],
  },
  get_task_status: { properties: { task_id: string }, required: ['task_id'] },
  send_task_message: {
    properties: {
      task_id: string,
      message: string,
      message_type: {
        ...string,
        default: 'update',
        enum: [
          'update',
          'feedback',
          'context_change',
          'requirement_change',
          'priority_change',
          'clarification',
          'correction',
          'guidance',
          'approval',
        ],
      },
      metadata: { type: 'object' },
    },
    required: ['task_id', 'message'],
  },
  send_task_control: {
    properties: { task_id: string, control: { ...string, enum: ['cancel', 'pause', 'resume'] }, reason: string },
    required: ['task_id', 'control'],
  },
  get_task_history: {
    properties: {
      task_id: string,
      include_artifacts: { ...boolean, default: false },
      events_limit: { ...number, default: 100 },
      events_offset: { ...number, default: 0 },
    },
    required: ['task_id'],
  },
  get_task_files: { properties: { task_id: string, path: string }, required: ['task_id'] },
  read_task_file: { properties: { task_id: string, file_path: string }, required: ['task_id', 'file_path'] },
} as const;

type Properties = Readonly<Record<string, object>>;

/** Descriptions are free. */
const bare = (properties: Properties): Properties =>
  Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, { ...value, description: undefined }]));

describe('the nine tools', () => {
  it.each(Object.entries(CONTRACT))('%s takes what it always took', (name, contract) => {
    const tool = TASK_TOOLS.find((one) => one.name === name);
    const schema = tool && jsonSchemaOf(tool.input, 'input');
    expect(schema?.type).toBe('object');
    expect(schema?.required).toEqual('required' in contract ? contract.required : undefined);
    expect(bare(schema?.properties as Properties)).toMatchObject(contract.properties);
    const added = Object.keys(schema?.properties as Properties).filter(
      (key) => !Object.hasOwn(contract.properties, key),
    );
    expect(added.length === 0 || name === 'opencode_execute_task').toBe(true);
  });

  it('lists no bound that would refuse an old client: bounds are checked when a tool is called', () => {
    expect(JSON.stringify(jsonSchemaOf(INPUTS.execute, 'input'))).not.toMatch(/minimum|maximum|pattern|minLength/);
    expect(INPUTS.execute.safeParse({ agent_id: 'a', task_description: 'x', timeout_ms: 0.5 }).success).toBe(false);
    expect(INPUTS.execute.safeParse({ agent_id: 'a b', task_description: 'x' }).success).toBe(false);
  });
});
