import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { check, scriptSchema } from '../../base/script.ts';
import { AppError, toAppError } from '../../contract/errors.ts';

const milliseconds = z.int().min(0).max(600_000);
const tokens = z.int().min(0);

/** A fault that strikes the first `times` requests of its step (every one without it), then the step is played. */
const fault = z.union([z.literal(true), z.strictObject({ times: z.int().min(1) })]);

/**
 * One answer of the scripted model: what it says, then how it behaves while saying it.
 * - `usage` counts as OpenAI does: `input` includes `cachedInput`, `output` includes `reasoning`. Without it, 4 characters are a token.
 * - `text` may hold `{{lastToolOutput}}`; `json` is a value that is answered as JSON text.
 * - `hold` waits until `POST /__release` names it; `delayMs` follows it; `chunkDelayMs` comes before each of the
 *   `chunks` pieces of each text, reasoning and arguments.
 * - `hang` says what the step says, then stays silent; `cut` drops the connection half-way.
 */
export const stepSchema = z.strictObject({
  text: z.string().optional(),
  json: z.json().optional(),
  emptyText: z.literal(true).optional(),
  reasoning: z.string().optional(),
  tools: z
    .array(z.strictObject({ name: z.string().min(1), input: z.record(z.string(), z.unknown()).default({}) }))
    .optional(),
  brokenArguments: z.literal(true).optional(),
  finish: z.enum(['stop', 'length', 'tool_calls']).optional(),
  usage: z
    .strictObject({ input: tokens, output: tokens, cachedInput: tokens.optional(), reasoning: tokens.optional() })
    .optional(),
  hold: z.string().min(1).optional(),
  delayMs: milliseconds.optional(),
  chunkDelayMs: milliseconds.optional(),
  chunks: z.int().min(1).max(10_000).optional(),
  error: z
    .strictObject({
      status: z.int().min(400).max(599),
      message: z.string(),
      type: z.string().optional(),
      retryAfterS: z.number().min(0).optional(),
      resetAt: z.iso.datetime().optional(),
      times: z.int().min(1).optional(),
    })
    .optional(),
  hang: fault.optional(),
  cut: fault.optional(),
});
export type Step = z.output<typeof stepSchema>;

const modelScriptSchema = scriptSchema(stepSchema).extend({
  /** Answers to requests for a title and for a summary of the conversation; neither takes a step. */
  titles: z.string().min(1).default('A scripted session'),
  summaries: z.string().min(1).default('The conversation so far was scripted; the work goes on as the script says.'),
});
/** A checked script of the scripted model. */
export type ModelScript = z.output<typeof modelScriptSchema>;
/** A script as it is written in a file. */
export type ModelScriptInput = z.input<typeof modelScriptSchema>;

/** @throws AppError bad_config with the path of every fault; `source` names the script in the message. */
export function parseScript(value: unknown, source = 'the script'): ModelScript {
  const checked = check(modelScriptSchema, value);
  if (checked.ok) return checked.value;
  throw new AppError('bad_config', `${source} is not valid: ${checked.faults.slice(0, 5).join('; ')}`);
}

/** @throws AppError bad_config if the file cannot be read, is not JSON or is not a script. */
export async function loadScript(file: string | URL): Promise<ModelScript> {
  try {
    return parseScript(JSON.parse(await readFile(file, 'utf8')), String(file));
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('bad_config', `${file} cannot be read as a script: ${toAppError(error).message}`, {
      cause: error,
    });
  }
}

/** The script of the demo: the request "Create a Python script that prints hello", planned and carried out. */
export const loadDemoScript = (): Promise<ModelScript> => loadScript(new URL('./demo.json', import.meta.url));
