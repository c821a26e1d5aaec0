import { rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { SearchIndex, type SearchRange } from './index.ts';

/** What the daemon's thread asks; `wake` says that there are new facts. */
export type SearchAsk =
  | { readonly type: 'wake' }
  | { readonly type: 'close' }
  | {
      readonly type: 'find';
      readonly id: number;
      readonly match: string;
      readonly range: SearchRange;
    };

export type SearchAnswer =
  | { readonly type: 'found'; readonly id: number; readonly seqs: readonly number[]; readonly cursor: number }
  /** Everything up to there is in the index. */
  | { readonly type: 'indexed'; readonly cursor: number }
  | { readonly type: 'failed'; readonly id: number | null; readonly message: string };

const { journal, file } = workerData as { readonly journal: string; readonly file: string };
const port = parentPort;
if (port === null) throw new Error('this is a worker');

/** What cannot be read is built anew: it holds nothing that the journal has not. */
function open(): SearchIndex {
  try {
    return new SearchIndex(journal, file);
  } catch {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
    return new SearchIndex(journal, file);
  }
}

const index = open();
let isQueued = false;
let isClosed = false;

/** Batch by batch, so that questions are answered in between. */
function work(): void {
  if (isQueued || isClosed) return;
  isQueued = true;
  setImmediate(() => {
    isQueued = false;
    if (isClosed) return;
    try {
      if (index.step() || index.forget()) work();
      else port?.postMessage({ type: 'indexed', cursor: index.cursor } satisfies SearchAnswer);
    } catch (error) {
      port?.postMessage({ type: 'failed', id: null, message: String(error) } satisfies SearchAnswer);
    }
  });
}

port.on('message', (ask: SearchAsk) => {
  switch (ask.type) {
    case 'wake':
      work();
      return;
    case 'close':
      isClosed = true;
      index.close();
      port.close();
      return;
    case 'find':
      try {
        // What was acknowledged before the question is found, as far as it is not much.
        for (let i = 0; i < 4 && index.step(); i += 1);
        const seqs = index.find(ask.match, ask.range);
        port.postMessage({ type: 'found', id: ask.id, seqs, cursor: index.cursor } satisfies SearchAnswer);
      } catch (error) {
        port.postMessage({ type: 'failed', id: ask.id, message: String(error) } satisfies SearchAnswer);
      }
      return;
    default:
      ask satisfies never;
  }
});
work();
