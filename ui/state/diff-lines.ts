export type DiffLine = { readonly kind: 'place' | 'added' | 'removed' | 'same'; readonly text: string };
export type FileDiff = {
  readonly path: string;
  readonly additions: number;
  readonly deletions: number;
  readonly lines: readonly DiffLine[];
};

/** Lines of one file that are shown: a diff may hold a generated file. */
export const MAX_DIFF_LINES = 2_000;

/** A unified diff by file. Text that is none becomes one file without a name. */
export function readDiff(diff: string): FileDiff[] {
  const files: FileDiff[] = [];
  let lines: string[] = [];
  let path: string | null = null;
  const close = (): void => {
    if (path !== null || lines.length > 0) files.push(fileOf(path ?? '', lines));
    lines = [];
  };
  for (const text of diff.replace(/\n$/, '').split('\n')) {
    const header = /^diff --git a\/.* b\/(.*)$/.exec(text) ?? /^Index: (.*)$/.exec(text);
    if (header) {
      close();
      path = header[1] ?? '';
    } else lines.push(text);
  }
  close();
  return files;
}

function fileOf(header: string, texts: readonly string[]): FileDiff {
  const begin = texts.findIndex((text) => text.startsWith('@@'));
  // What stands before the first place names the file and its modes.
  const named = texts.slice(0, Math.max(begin, 0)).find((text) => text.startsWith('+++ '));
  const path = header || named?.replace(/^\+\+\+ (b\/)?/, '') || '';
  const lines = texts.slice(Math.max(begin, 0)).map((text) => ({ kind: kindOf(text), text }));
  return {
    path,
    lines,
    additions: lines.filter(({ kind }) => kind === 'added').length,
    deletions: lines.filter(({ kind }) => kind === 'removed').length,
  };
}

function kindOf(text: string): DiffLine['kind'] {
  if (text.startsWith('@@')) return 'place';
  if (text.startsWith('+')) return 'added';
  return text.startsWith('-') ? 'removed' : 'same';
}
