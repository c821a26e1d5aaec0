const MAX_ROWS = 100;
const MAX_LENGTH = 1_000_000;

/** The events of the newest transaction as a reader finds them: who is up to date need not read them back. */
export class FreshEvents<Row extends { readonly seq: number; readonly json: string }> {
  #rows: Row[] = [];
  #length = 0;

  /** Another transaction begins, or one has failed. */
  clear(): void {
    if (this.#rows.length > 0) this.#rows = [];
    this.#length = 0;
  }

  /** What is too much is left out, and seen to be missing. */
  add(row: Row): void {
    this.#length += row.json.length;
    if (this.#rows.length < MAX_ROWS && this.#length <= MAX_LENGTH) this.#rows.push(row);
  }

  /** Everything after `cursor` up to `head`; null if that is not all here. */
  after(cursor: number, head: number): readonly Row[] | null {
    const isWhole = this.#rows[0]?.seq === cursor + 1 && this.#rows.at(-1)?.seq === head;
    return isWhole && this.#rows.length === head - cursor ? this.#rows : null;
  }
}
