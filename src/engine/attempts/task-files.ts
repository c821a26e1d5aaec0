import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Attempt } from '../../contract/attempt.ts';
import type { FileContent, FileEntry } from '../../contract/delegation-operations.ts';
import { AppError } from '../../contract/errors.ts';
import type { Project } from '../../contract/project.ts';
import type { Request } from '../../contract/request.ts';
import type { Git } from '../../git/git.ts';
import { changedSince, diffSince, fileAt, sizesAt } from '../../git/since.ts';
import type { Parts } from '../parts.ts';
import { checkedPath, deniedBy, readInside, tooLarge } from '../policy/open-inside.ts';

const MAX_ENTRIES = 10_000;

/** Where a task's files are now: its workspace while that stands, then the commit that was made of it. */
type Place = { readonly project: Project; readonly base: string } & (
  | { readonly type: 'workspace'; readonly path: string }
  | { readonly type: 'commit'; readonly commit: string }
);

/** The files of delegated tasks, read for their callers, who may ask for any path: nothing outside of the workspace is given. */
export class TaskFiles {
  readonly #parts: Parts;
  readonly #git: Git;

  constructor(parts: Parts, git: Git) {
    this.#parts = parts;
    this.#git = git;
  }

  async list(request: Request, wanted: string): Promise<{ items: FileEntry[]; isTruncated: boolean }> {
    const place = this.#place(request);
    if (place === null) return { items: [], isTruncated: false };
    const prefix = wanted.replace(/^\/+/, '');
    const { at, repo } = this.#where(place);
    const changes = await changedSince(this.#git, repo, place.base, at);
    const found = changes.filter(({ path }) => path.startsWith(prefix));
    const sizes = place.type === 'commit' ? await sizesAt(this.#git, repo, place.commit) : null;
    const items: FileEntry[] = [];
    for (const { path, status } of found.slice(0, MAX_ENTRIES)) {
      if (sizes !== null || status === 'deleted' || place.type === 'commit') {
        items.push({ path, status, size: sizes?.get(path) ?? null, mtime: null });
        continue;
      }
      // It may have gone in this moment.
      const stat = await lstat(join(place.path, path)).catch(() => null);
      items.push({ path, status, size: stat?.size ?? null, mtime: stat === null ? null : Math.round(stat.mtimeMs) });
    }
    return { items, isTruncated: found.length > MAX_ENTRIES };
  }

  /** @throws AppError `path_refused`, `too_large` (the file is not read), `not_found` */
  async read(request: Request, wanted: string): Promise<FileContent> {
    const { deniedFiles, maxFileBytes } = this.#parts.settingsFor(null).delegation;
    const path = checkedPath(wanted);
    const pattern = deniedBy(path, deniedFiles);
    if (pattern !== null) throw new AppError('path_refused', `the pattern ${pattern} keeps it from being read`);
    const place = this.#place(request);
    if (place === null) throw new AppError('not_found', 'the task has no files yet');
    const bytes =
      place.type === 'workspace'
        ? await readInside(place.path, path, { maxBytes: maxFileBytes, denied: deniedFiles })
        : await this.#readCommitted(place.project.path, place.commit, path, maxFileBytes);
    return contentOf(path, bytes);
  }

  async #readCommitted(repo: string, commit: string, path: string, maxBytes: number): Promise<Buffer> {
    const file = await fileAt(this.#git, repo, commit, path, maxBytes);
    if (file === null) throw new AppError('not_found', 'there is no such file');
    if (!file.isRegular) throw new AppError('path_refused', 'it is not a regular file');
    if (file.bytes === null) throw tooLarge(path, file.size, maxBytes);
    return file.bytes;
  }

  async diff(request: Request, maxBytes: number): Promise<{ diff: string; isTruncated: boolean }> {
    const place = this.#place(request);
    if (place === null) return { diff: '', isTruncated: false };
    const { deniedFiles } = this.#parts.settingsFor(null).delegation;
    const { at, repo } = this.#where(place);
    const { text, isTruncated } = await diffSince(this.#git, repo, place.base, at, { maxBytes, without: deniedFiles });
    return { diff: text, isTruncated };
  }

  /** Where git is asked, and about what: a commit, or the files as they are (null). */
  #where(place: Place): { readonly repo: string; readonly at: string | null } {
    return place.type === 'workspace' ? { repo: place.path, at: null } : { repo: place.project.path, at: place.commit };
  }

  #place(request: Request): Place | null {
    const { read } = this.#parts.store;
    const attempt: Attempt | undefined = read.attempts.list({ requestId: request.id, order: 'desc', limit: 1 })[0];
    if (!attempt) return null;
    const project = read.projects.need(request.projectId);
    const base = attempt.baseCommit;
    if (existsSync(join(attempt.workspace, '.git')))
      return { type: 'workspace', path: attempt.workspace, project, base };
    return { type: 'commit', commit: attempt.commit ?? base, project, base };
  }
}

function contentOf(path: string, bytes: Buffer): FileContent {
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(bytes);
  return {
    path,
    content: isText ? text : bytes.toString('base64'),
    encoding: isText ? 'utf-8' : 'base64',
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}
