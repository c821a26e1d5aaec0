-- The collected work of requests on its way to a target branch.
CREATE TABLE merges (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  requestId TEXT NOT NULL AS (doc ->> '$.requestId') STORED UNIQUE REFERENCES requests (id),
  projectId TEXT NOT NULL AS (doc ->> '$.projectId') STORED,
  repairId TEXT AS (doc ->> '$.repairId') STORED
) STRICT;
CREATE INDEX merges_state ON merges (state);
