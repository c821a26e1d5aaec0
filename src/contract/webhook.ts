import { z } from 'zod';
import { Duration } from './duration.ts';
import { FACT_KINDS } from './fact.ts';

/** Event names of the `legacy` form, as older dashboards and chat hooks know them. */
export const LEGACY_EVENTS = [
  'SessionStart',
  'SessionEnd',
  'UserPromptSubmit',
  'TaskPlanned',
  'TaskAssigned',
  'TaskCompleted',
  'TaskFailed',
  'TaskCancelled',
  'ToolRequested',
  'ToolCompleted',
  'ToolFailed',
  'AgentCreated',
  'AgentDeleted',
  'CommandQueued',
] as const;
export type LegacyEvent = (typeof LEGACY_EVENTS)[number];

/** What the `speech` form speaks of. */
export const SPEECH_KINDS = ['approval', 'question', 'done', 'failed', 'budget', 'idle'] as const;
export const SpeechKind = z.enum(SPEECH_KINDS);
export type SpeechKind = z.infer<typeof SpeechKind>;

export const WebhookForm = z.enum(['gantry', 'legacy', 'speech']);
export type WebhookForm = z.infer<typeof WebhookForm>;

/** The kinds that a form knows. */
export const WEBHOOK_KINDS: Readonly<Record<WebhookForm, readonly string[]>> = {
  gantry: FACT_KINDS,
  legacy: LEGACY_EVENTS,
  speech: SPEECH_KINDS,
};

const TIME_OF_DAY = /^([01]\d|2[0-3]):[0-5]\d$/;

/** One receiver outside: what it is told, in which form, signed with which secret. */
export const WebhookSettings = z
  .strictObject({
    url: z.url({ protocol: /^https?$/, error: 'expected a URL that begins with https:// or http://' }),
    /** Name of the variable that holds the secret of the signature. */
    secret: z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'the NAME of a variable, not a secret'),
    /** Default `gantry`: facts as they are. `legacy`: the event names of older hooks. `speech`: short sentences to be spoken. */
    form: WebhookForm.optional(),
    /** Kinds of fact, event names or kinds of speech, by `form`. */
    kinds: z.array(z.string()).min(1).optional(),
    /** The address may be of this machine or of a private network. */
    allowPrivate: z.boolean().optional(),
    /** What could not be delivered for so long is dropped. Default: a day, for speech two minutes. */
    useBy: Duration.optional(),
    /** Speech: what is not urgent is gathered for so long, by agent. Default 10s. */
    gather: Duration.optional(),
    /** Speech: the language of the receiver's voice, a BCP 47 tag. Default en. */
    lang: z
      .string()
      .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/, 'a language tag such as en or en-GB')
      .optional(),
    /** Speech: nothing is said between these times of this machine's day. */
    quiet: z
      .strictObject({
        from: z.string().regex(TIME_OF_DAY, 'a time such as 22:00'),
        to: z.string().regex(TIME_OF_DAY, 'a time such as 07:30'),
      })
      .optional(),
  })
  .superRefine(({ form = 'gantry', kinds = [], gather, lang, quiet }, context) => {
    for (const [i, kind] of kinds.entries()) {
      if (WEBHOOK_KINDS[form].includes(kind)) continue;
      const message = `the form ${form} has no kind "${kind}" (accepted: ${WEBHOOK_KINDS[form].join(', ')})`;
      context.addIssue({ code: 'custom', path: ['kinds', i], message });
    }
    for (const [name, value] of Object.entries({ gather, lang, quiet })) {
      if (value === undefined || form === 'speech') continue;
      context.addIssue({ code: 'custom', path: [name], message: 'is for the form speech only' });
    }
  });
export type WebhookSettings = z.infer<typeof WebhookSettings>;

/** One reader of the journal that tells something outside. */
export const ProjectionStatus = z.object({
  /** `webhook:<name>`, … */
  name: z.string(),
  /** Where it delivers to, without secrets. */
  target: z.string(),
  /** `problem`: it cannot work as it is configured. `failing`: the last delivery was not taken. */
  state: z.enum(['ok', 'failing', 'problem']),
  problem: z.string().nullable(),
  /** Position in the journal up to which it has read. */
  cursor: z.number(),
  /** Facts that it has not read yet. */
  behind: z.number(),
  waiting: z.number(),
  delivered: z.number(),
  /** Given up: refused for good, or past the time of use. */
  dropped: z.number(),
  lastDeliveredAt: z.number().nullable(),
  lastError: z.object({ at: z.number(), text: z.string() }).nullable(),
});
export type ProjectionStatus = z.infer<typeof ProjectionStatus>;
