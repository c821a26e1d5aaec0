import { createReadStream, existsSync, statSync, watch as watchFile } from 'node:fs';
import { deferred } from '../../base/wait.ts';
import type { Client } from '../../client/client.ts';
import type { Fact } from '../../contract/fact.ts';
import { logFile } from '../../daemon/spawn-daemon.ts';
import type { Context } from '../command.ts';
import { defineCommand, flag, integer, option, optionalArgument } from '../command.ts';
import { daemonLogLines, logRecord } from '../daemon-log.ts';
import { logLines } from '../facts.ts';
import { type FactQuery, factsUntilNow, followFacts } from '../follow-facts.ts';
import { idOf } from '../ids.ts';
import { onInterrupt } from '../keys.ts';

export const logs = defineCommand({
  arguments: { id: optionalArgument('id', "a request, task or session; `daemon` or nothing: the daemon's own log") },
  options: {
    follow: flag('-f, --follow', 'go on with what happens, until Ctrl-C; with --json a document per line'),
    limit: option(
      '-n, --limit <n>',
      "so many of the newest lines of the daemon's log; default 50",
      integer(1, 100_000),
    ),
  },
  run: async (context, args) => {
    if (args.id === undefined || args.id === 'daemon') return daemonLog(context, args.limit ?? 50, args.follow);
    const id = idOf(args.id, ['req', 'tsk', 'sess']);
    const client = await context.client();
    const query = queryFor(id);
    const print = await printer(context, client, query);
    const { facts, next } = await factsUntilNow(client, query);
    if (context.output.isJson && !args.follow) {
      context.output.json(facts);
      return 0;
    }
    facts.forEach(print);
    return args.follow ? followFacts(client, { ...query, since: next }, print) : 0;
  },
});

function queryFor(id: string): FactQuery {
  if (id.startsWith('req_')) return { requestId: id as `req_${string}` };
  return id.startsWith('tsk_') ? { taskId: id as `tsk_${string}` } : { sessionId: id as `sess_${string}` };
}

/** Prints a fact under the label of its task. */
async function printer({ output }: Context, client: Client, { requestId }: FactQuery): Promise<(fact: Fact) => void> {
  const labels = new Map<string, string>();
  if (requestId !== undefined) {
    const { tasks } = await client.call('requests.get', { id: requestId });
    for (const task of tasks) labels.set(task.id, task.label);
  }
  return (fact) => {
    if (fact.kind === 'task.changed') labels.set(fact.data.row.id, fact.data.row.label);
    if (output.isJson) output.jsonLine(fact);
    else output.raw(...logLines(fact, output.paint, nameOf));
  };

  function nameOf(fact: Fact): string {
    if (fact.taskId !== null) return labels.get(fact.taskId) ?? fact.taskId;
    return fact.kind === 'request.changed' ? '--' : 'planner';
  }
}

async function daemonLog({ home, output }: Context, limit: number, isFollowed: boolean): Promise<number> {
  const file = logFile(home);
  if (!existsSync(file)) {
    output.note(`There is no log yet: ${file}`);
    return 0;
  }
  const print = (line: string): void => {
    if (output.isJson) output.jsonLine(logRecord(line));
    else output.raw(...daemonLogLines(line, output.paint));
  };
  let position = statSync(file).size;
  const lines = (await read(file, 0, position)).trimEnd().split('\n').slice(-limit);
  if (!isFollowed) {
    if (output.isJson) output.json(lines.map(logRecord));
    else lines.forEach(print);
    return 0;
  }
  // Ctrl-C ends it well from the first line on.
  const changes = changesOf(file);
  lines.forEach(print);
  for await (const _change of changes) {
    const { size } = statSync(file, { throwIfNoEntry: false }) ?? { size: 0 };
    // A log that was turned over begins anew.
    if (size < position) position = 0;
    const added = await read(file, position, size);
    position = size;
    if (added !== '') added.trimEnd().split('\n').forEach(print);
  }
  return 0;
}

async function read(file: string, start: number, end: number): Promise<string> {
  if (end <= start) return '';
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(file, { start, end: end - 1 }) as AsyncIterable<Buffer>)
    chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Once at the beginning, then whenever the file has changed, until Ctrl-C. */
function changesOf(file: string): AsyncGenerator<void, void, undefined> {
  let changed = deferred<void>();
  let isOver = false;
  const watcher = watchFile(file, () => changed.resolve());
  const stop = onInterrupt(() => {
    isOver = true;
    changed.resolve();
  });
  return (async function* () {
    try {
      while (!isOver) {
        yield;
        await changed.promise;
        changed = deferred();
      }
    } finally {
      stop();
      watcher.close();
    }
  })();
}
