import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../contract/errors.ts';

/** Makes a directory that only its owner can enter. @throws AppError bad_config, disk_full */
export function makePrivateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
  } catch (error) {
    throw fromFileSystem(error, directory);
  }
}

/** Replaces a file that only its owner can read; a reader sees the old content or the new. @throws AppError bad_config, disk_full */
export function writePrivateFile(file: string, content: string): void {
  const next = `${file}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const handle = openSync(next, 'w', 0o600);
    try {
      writeSync(handle, content);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    throw fromFileSystem(error, file);
  }
}

function fromFileSystem(error: unknown, path: string): AppError {
  const { code, message } = error as NodeJS.ErrnoException;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new AppError(isFull ? 'disk_full' : 'bad_config', `${path} cannot be written: ${message}`, { cause: error });
}
