import { chmodSync, closeSync, openSync, readlinkSync, rmSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { AppError } from '../../contract/errors.ts';
import { fromSqlite } from '../failures.ts';
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

/** Where processors are scarce, taking events comes first. Linux gives each thread its own priority (setpriority(2)). */
const NICE = 5;
if (process.platform === 'linux') setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICE);

/** Private from its first byte, as the journal is; SQLite gives its other files the same mode. */
function openIndex(): SearchIndex {
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  return new SearchIndex(journal, file);
}

/** A damaged index is built anew: it holds nothing that the journal has not. */
function open(): SearchIndex {
  try {
    return openIndex();
  } catch (error) {
    if (!isDamaged(error)) throw error;
    return renewed(error);
  }
}

function renewed(cause: unknown): SearchIndex {
  isRenewed = true;
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
  const message = `${file} is damaged, and is built anew: ${String(cause)}`;
  port?.postMessage({ type: 'failed', id: null, message } satisfies SearchAnswer);
  return openIndex();
}

/** A full disk or a lock passes; nothing but damage is mended by beginning again. */
function isDamaged(error: unknown): boolean {
  const known = fromSqlite(error, file);
  return known instanceof AppError && known.code === 'store_corrupt';
}

function failed(id: number | null, error: unknown): void {
  port?.postMessage({ type: 'failed', id, message: String(error) } satisfies SearchAnswer);
  // Once: if it is the journal that is damaged, nothing is mended here.
  if (isRenewed || !isDamaged(error)) return;
  index.close();
  index = renewed(error);
  work();
}

let isRenewed = false;
let index = open();
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
      failed(null, error);
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
        failed(ask.id, error);
      }
      return;
    default:
      ask satisfies never;
  }
});
work();
