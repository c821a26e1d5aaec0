-- The request whose tasks are the review of a merge.
ALTER TABLE merges ADD COLUMN reviewId TEXT AS (doc ->> '$.reviewId') VIRTUAL;
CREATE INDEX merges_review ON merges (reviewId) WHERE reviewId IS NOT NULL;
