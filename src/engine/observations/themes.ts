import { randomUUID } from 'node:crypto';
import { AppError } from '../../contract/errors.ts';
import type { Theme } from '../../contract/theme.ts';
import type { Parts } from '../parts.ts';

/** Who asks: whoever has made a theme may change it. */
export type ThemeOwner = { readonly id: string; readonly name: string };
type Words = Pick<Theme, 'name' | 'displayName' | 'description' | 'colors' | 'isPublic' | 'tags'>;

const MAX_OWN = 200;
const MAX_ALL = 2_000;

/** Themes of pages that show events: public ones for everybody, the others for those who made them. */
export class Themes {
  readonly #store: Parts['store'];
  readonly #clock: Parts['clock'];

  constructor({ store, clock }: Pick<Parts, 'store' | 'clock'>) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Those that `owner` may see. */
  list(owner: ThemeOwner): Theme[] {
    return this.#store.read.themes.list().filter((theme) => isVisible(theme, owner));
  }

  /** @throws AppError not_found */
  need(id: string, owner: ThemeOwner): Theme {
    const theme = this.#store.read.themes.get(id);
    if (theme && isVisible(theme, owner)) return theme;
    throw new AppError('not_found', 'Theme not found');
  }

  isTaken(name: string, owner: ThemeOwner): boolean {
    return this.list(owner).some((theme) => theme.name === name);
  }

  /** @throws AppError conflict if there are too many */
  create(words: Words, owner: ThemeOwner): Theme {
    const all = this.#store.read.themes.list();
    const own = all.filter(({ authorId }) => authorId === owner.id);
    if (own.length >= MAX_OWN || all.length >= MAX_ALL) {
      throw new AppError('conflict', `there are ${own.length} themes of yours and ${all.length} in all: delete some`);
    }
    const now = this.#clock.now();
    const made: Theme = {
      id: randomUUID(),
      ...words,
      authorId: owner.id,
      authorName: owner.name,
      createdAt: now,
      updatedAt: now,
      downloadCount: 0,
      rating: 0,
      ratingCount: 0,
    };
    return this.#put(made);
  }

  /** @throws AppError not_found, forbidden */
  update(id: string, words: Words, owner: ThemeOwner): Theme {
    return this.#put({ ...this.own(id, owner), ...words, updatedAt: this.#clock.now() });
  }

  /** @throws AppError not_found, forbidden */
  remove(id: string, owner: ThemeOwner): void {
    this.own(id, owner);
    this.#store.commit((tx) => tx.themes.remove(id));
  }

  /** The theme, which its reader takes away. @throws AppError not_found */
  export(id: string, owner: ThemeOwner): Theme {
    const theme = this.need(id, owner);
    return this.#put({ ...theme, downloadCount: theme.downloadCount + 1 });
  }

  /** One that `owner` may change. @throws AppError not_found, forbidden */
  own(id: string, owner: ThemeOwner): Theme {
    const theme = this.need(id, owner);
    if (theme.authorId === owner.id) return theme;
    throw new AppError('forbidden', 'the theme is of somebody else');
  }

  #put(theme: Theme): Theme {
    this.#store.commit((tx) => tx.themes.put(theme));
    return theme;
  }
}

const isVisible = ({ isPublic, authorId }: Theme, owner: ThemeOwner): boolean => isPublic || authorId === owner.id;
