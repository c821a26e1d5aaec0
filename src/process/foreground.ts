import { spawn } from 'node:child_process';
import { AppError } from '../contract/errors.ts';

/** Gives this terminal to a program until it ends. @returns its exit code; null: a signal ended it. @throws AppError `spawn_failed` */
export function runForeground(
  [program, ...args]: readonly [string, ...string[]],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string | undefined>> },
): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: 'inherit' });
    // Ctrl-C is for the program that has the terminal.
    const leaveIt = (): void => undefined;
    process.on('SIGINT', leaveIt);
    child.once('error', (error) => {
      process.off('SIGINT', leaveIt);
      reject(new AppError('spawn_failed', `${program} could not be started: ${error.message}`, { cause: error }));
    });
    child.once('exit', (code) => {
      process.off('SIGINT', leaveIt);
      resolve(code);
    });
  });
}
