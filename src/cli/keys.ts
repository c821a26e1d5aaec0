import type { ReadStream } from 'node:tty';

/** Calls `act` when the person asks for the end: Ctrl-C. The answer stops listening. */
export function onInterrupt(act: () => void): () => void {
  process.on('SIGINT', act);
  return () => process.off('SIGINT', act);
}

/** Single keys of a terminal, unseen by its line editing; Ctrl-C then comes as a key and goes to `onCtrlC`. */
export function listenToKeys(stdin: ReadStream, onKey: (key: string) => void, onCtrlC: () => void): () => void {
  const read = (data: Buffer): void => {
    for (const key of data.toString('utf8')) {
      if (key === '\u0003') onCtrlC();
      else onKey(key);
    }
  };
  stdin.setRawMode(true);
  stdin.on('data', read);
  stdin.resume();
  return () => {
    stdin.off('data', read);
    stdin.setRawMode(false);
    stdin.pause();
  };
}
