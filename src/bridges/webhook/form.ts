import type { Fact, FactKind } from '../../contract/fact.ts';
import type { Entry, Item } from '../projection.ts';

/** How facts are told to one receiver. */
export type Form = {
  /** The kinds of fact that it looks at. */
  readonly kinds: readonly FactKind[];
  readonly entries: (fact: Fact, waiting: (key: string) => Item | null) => readonly Entry[];
  /** What a receiver knows it by: the same after every repetition. */
  readonly id: (item: Item) => string;
  /** Whether it can tell what waits, which may have been written for another form. Default: all goes as it is. */
  readonly isOwn?: (payload: unknown) => boolean;
  /** The body of what waits. */
  readonly body: (payload: unknown) => unknown;
};

/** What a form may ask about the world. */
export type Names = {
  /** A project's name by its id; null if it is not known. */
  readonly project: (id: string | null) => string | null;
};
