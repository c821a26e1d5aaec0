import { AppError } from '../contract/errors.ts';
import { Theme } from '../contract/theme.ts';
import type { Connection, SqlRow } from './connection.ts';

export type ThemeReader = {
  readonly themes: { readonly list: () => Theme[]; readonly get: (id: string) => Theme | null };
};
export type ThemeWriter = {
  readonly themes: ThemeReader['themes'] & {
    /** In place of what was there under its id. */
    readonly put: (theme: Theme) => void;
    readonly remove: (id: string) => void;
  };
};

export function themeReader(connection: Connection): ThemeReader {
  return {
    themes: {
      list: () => connection.all('SELECT doc FROM themes ORDER BY id').map(themeOf),
      get: (id) => {
        const row = connection.get('SELECT doc FROM themes WHERE id = ?', id);
        return row ? themeOf(row) : null;
      },
    },
  };
}

export function themeWriter(connection: Connection): ThemeWriter {
  const write = (sql: string, ...values: readonly string[]): void => {
    if (!connection.isWriting) throw new AppError('internal', 'a theme was written outside of a commit');
    connection.run(sql, ...values);
  };
  return {
    themes: {
      ...themeReader(connection).themes,
      put: (theme) =>
        write('INSERT OR REPLACE INTO themes VALUES (?, ?, ?)', theme.id, theme.authorId, JSON.stringify(theme)),
      remove: (id) => write('DELETE FROM themes WHERE id = ?', id),
    },
  };
}

function themeOf({ doc }: SqlRow): Theme {
  const parsed = Theme.safeParse(JSON.parse(String(doc)));
  if (parsed.success) return parsed.data;
  throw new AppError('store_corrupt', 'a theme cannot be read');
}
