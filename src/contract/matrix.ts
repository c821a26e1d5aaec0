import { z } from 'zod';
import { Duration } from './duration.ts';
import { ServerUrl } from './server-url.ts';

const UserId = z.string().regex(/^@[^:\s]+:\S+$/, 'a Matrix user such as @alice:example.org');

/** A Matrix account that shows every task in a room and takes commands there. */
export const MatrixSettings = z
  .strictObject({
    url: ServerUrl,
    /** The account whose access token it is. */
    user: UserId,
    /** Name of the variable that holds the access token. */
    token: z
      .string()
      .regex(/^[A-Z][A-Z0-9_]*$/, 'the NAME of a variable, not a token')
      .optional(),
    /** In place of `token`: a file that holds nothing else and that only its owner can read. */
    tokenFile: z.string().startsWith('/', 'an absolute path').optional(),
    /** Who may command; they are invited into every room. */
    senders: z.array(UserId).min(1).max(100),
    /** Who is invited beside them and may only read. */
    observers: z.array(UserId).max(100).optional(),
    /** One room for all tasks, each in a thread of its own. Without it every task gets a room. */
    room: z
      .string()
      .regex(/^![^\s/]+$/, 'the id of a room, which begins with !')
      .optional(),
    /** An older command is not carried out. Default 10m. */
    commandAge: Duration.optional(),
    /** A task's message is changed at most so often. Default 5s. */
    updateEvery: Duration.optional(),
  })
  .superRefine(({ token, tokenFile }, context) => {
    if ((token === undefined) !== (tokenFile === undefined)) return;
    context.addIssue({ code: 'custom', path: ['token'], message: 'expected either `token` or `tokenFile`' });
  });
export type MatrixSettings = z.infer<typeof MatrixSettings>;

/** Where a task is shown. */
export const MatrixPlace = z.object({
  room: z.string(),
  /** The event that is changed as the task goes on; in a shared room the root of its thread. Null before it is told. */
  root: z.string().nullable(),
  /** Events of approvals that were told, by approval. */
  asks: z.record(z.string(), z.string()),
  /** The fact of the end that was told last; 0 is none. */
  endSeq: z.number(),
});
export type MatrixPlace = z.infer<typeof MatrixPlace>;

/** Under which small value the store keeps where tasks are shown. */
export const MATRIX_PLACES = 'matrix.places';
const Places = z.array(z.tuple([z.string(), MatrixPlace]));
/** By task, the newest last. */
export const matrixPlaces = (value: string | null): Map<string, MatrixPlace> =>
  new Map(Places.parse(JSON.parse(value ?? '[]')));
/** Under which keys the words about a task wait to be delivered. */
export const matrixKey = (step: string, taskId: string): string => `${step}.${taskId}`;
