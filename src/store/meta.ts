/** Key in `meta`: facts up to there may have been removed. Alone here, for the search's thread to load no schemas. */
export const PRUNED_TO = 'store.prunedTo';
