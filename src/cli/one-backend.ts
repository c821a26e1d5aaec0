import { AppError } from '../contract/errors.ts';

/** What a flag that is another word for `--backend` and `--backend` itself name. @throws AppError `usage` if they differ */
export function oneBackend(flag: string, named: string | undefined, backend: string | undefined): string | undefined {
  if (named !== undefined && backend !== undefined && named !== backend)
    throw new AppError('usage', `${flag} ${named} and --backend ${backend} name two agent programs: give one`);
  return named ?? backend;
}
