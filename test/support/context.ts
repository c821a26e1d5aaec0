import { EventEmitter } from 'node:events';
import type { ReadStream } from 'node:tty';
import { ManualClock } from '../../src/base/clock.ts';
import type { Context } from '../../src/cli/command.ts';
import { Output } from '../../src/cli/output.ts';
import { START } from './rows.ts';

/** A terminal's keyboard that a test types on. */
export class Keyboard extends EventEmitter {
  isRaw = false;
  setRawMode(isRaw: boolean): void {
    this.isRaw = isRaw;
  }
  resume(): void {
    this.emit('resumed');
  }
  pause(): void {
    this.emit('paused');
  }
  type(keys: string): void {
    this.emit('data', Buffer.from(keys));
  }
}

/** A context that writes into strings, with a clock that stands still. */
export function testContext(options: { readonly isTerminal?: boolean; readonly isJson?: boolean } = {}) {
  const isTTY = options.isTerminal ?? false;
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    isTTY,
    columns: 80,
    write: (text: string) => {
      written[name] += text;
    },
  });
  const clock = new ManualClock(START);
  const keyboard = new Keyboard();
  const isJson = options.isJson ?? false;
  const context: Context = {
    output: new Output({
      stdout: stream('stdout'),
      stderr: stream('stderr'),
      isJson,
      isQuiet: false,
      isColourWanted: false,
    }),
    globals: { isJson, isQuiet: false, home: null, url: null, token: null, mustRun: true },
    shell: { commands: [], parse: () => Promise.reject(new Error('no command line in this test')) },
    environment: {},
    home: '/nowhere',
    directory: '/nowhere',
    clock,
    stdin: keyboard as unknown as ReadStream,
    isInteractive: isTTY && !isJson,
    client: () => Promise.reject(new Error('no daemon in this test')),
  };
  return { context, written, clock, keyboard };
}
