-- The ledger: one table per kind of row. `doc` is the row; the other columns are computed from it, to be searched.
-- `ordinal` is the order of creation. Row and column names are those of the contract's schemas.

CREATE TABLE projects (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  name TEXT AS (doc ->> '$.name') STORED,
  path TEXT AS (doc ->> '$.path') STORED
) STRICT;
CREATE INDEX projects_state ON projects (state);
CREATE UNIQUE INDEX projects_name ON projects (name) WHERE state = 'active';

CREATE TABLE requests (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  projectId TEXT NOT NULL AS (doc ->> '$.projectId') STORED REFERENCES projects (id)
) STRICT;
CREATE INDEX requests_state ON requests (state);
CREATE INDEX requests_projectId ON requests (projectId);

CREATE TABLE tasks (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  projectId TEXT NOT NULL AS (doc ->> '$.projectId') STORED,
  requestId TEXT NOT NULL AS (doc ->> '$.requestId') STORED REFERENCES requests (id),
  attemptId TEXT AS (doc ->> '$.attemptId') STORED,
  agent TEXT AS (doc ->> '$.agent') STORED,
  role TEXT AS (doc ->> '$.role') STORED,
  backend TEXT AS (doc ->> '$.backend') STORED
) STRICT;
CREATE INDEX tasks_state ON tasks (state);
CREATE INDEX tasks_requestId ON tasks (requestId);

CREATE TABLE attempts (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  requestId TEXT NOT NULL AS (doc ->> '$.requestId') STORED,
  taskId TEXT NOT NULL AS (doc ->> '$.taskId') STORED REFERENCES tasks (id),
  sessionId TEXT AS (doc ->> '$.sessionId') STORED,
  agent TEXT AS (doc ->> '$.agent') STORED,
  backend TEXT AS (doc ->> '$.backend') STORED
) STRICT;
CREATE INDEX attempts_state ON attempts (state);
CREATE INDEX attempts_taskId ON attempts (taskId);
CREATE INDEX attempts_requestId ON attempts (requestId);
CREATE INDEX attempts_sessionId ON attempts (sessionId);

CREATE TABLE sessions (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  attemptId TEXT AS (doc ->> '$.attemptId') STORED,
  agent TEXT AS (doc ->> '$.agent') STORED,
  backend TEXT AS (doc ->> '$.backend') STORED,
  nativeId TEXT AS (doc ->> '$.nativeId') STORED,
  purpose TEXT AS (doc ->> '$.purpose') STORED
) STRICT;
CREATE INDEX sessions_state ON sessions (state);
CREATE INDEX sessions_attemptId ON sessions (attemptId);
CREATE INDEX sessions_nativeId ON sessions (nativeId);

CREATE TABLE agents (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  projectId TEXT AS (doc ->> '$.projectId') STORED,
  taskId TEXT AS (doc ->> '$.taskId') STORED,
  attemptId TEXT AS (doc ->> '$.attemptId') STORED,
  sessionId TEXT AS (doc ->> '$.sessionId') STORED,
  role TEXT AS (doc ->> '$.role') STORED,
  name TEXT AS (doc ->> '$.name') STORED,
  backend TEXT AS (doc ->> '$.backend') STORED
) STRICT;
CREATE INDEX agents_state ON agents (state);

CREATE TABLE approvals (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  requestId TEXT AS (doc ->> '$.requestId') STORED,
  taskId TEXT AS (doc ->> '$.taskId') STORED,
  attemptId TEXT AS (doc ->> '$.attemptId') STORED,
  sessionId TEXT AS (doc ->> '$.sessionId') STORED,
  agent TEXT AS (doc ->> '$.agent') STORED,
  backend TEXT AS (doc ->> '$.backend') STORED,
  nativeId TEXT AS (doc ->> '$.nativeId') STORED
) STRICT;
CREATE INDEX approvals_state ON approvals (state);
CREATE INDEX approvals_sessionId ON approvals (sessionId);
CREATE INDEX approvals_requestId ON approvals (requestId);

CREATE TABLE grants (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  scope TEXT AS (doc ->> '$.scope') STORED,
  sessionId TEXT AS (doc ->> '$.sessionId') STORED,
  projectId TEXT AS (doc ->> '$.projectId') STORED
) STRICT;
CREATE INDEX grants_state ON grants (state);

CREATE TABLE messages (
  ordinal INTEGER PRIMARY KEY,
  doc TEXT NOT NULL CHECK (json_valid(doc)),
  id TEXT NOT NULL AS (doc ->> '$.id') STORED UNIQUE,
  state TEXT NOT NULL AS (doc ->> '$.state') STORED,
  "from" TEXT AS (doc ->> '$.from') STORED,
  "to" TEXT AS (doc ->> '$.to') STORED,
  thread TEXT AS (doc ->> '$.thread') STORED,
  promptId TEXT AS (doc ->> '$.promptId') STORED
) STRICT;
CREATE INDEX messages_state ON messages (state);
CREATE INDEX messages_to ON messages ("to");
CREATE INDEX messages_thread ON messages (thread);

-- The journal: what happened, in order. A number is never used twice, even after its row was pruned.
CREATE TABLE fact (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  class TEXT NOT NULL,
  projectId TEXT,
  requestId TEXT,
  taskId TEXT,
  attemptId TEXT,
  sessionId TEXT,
  agent TEXT,
  actor TEXT NOT NULL,
  data TEXT NOT NULL
) STRICT;
CREATE INDEX fact_class ON fact (class);
CREATE INDEX fact_kind ON fact (kind) WHERE class = 'state';
CREATE INDEX fact_requestId ON fact (requestId) WHERE requestId IS NOT NULL;
CREATE INDEX fact_taskId ON fact (taskId) WHERE taskId IS NOT NULL;
CREATE INDEX fact_sessionId ON fact (sessionId) WHERE sessionId IS NOT NULL;

-- Small values: the last fencing number, how far the journal was pruned, what the engine keeps.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- What is still to be delivered to the outside. Adding a key again replaces what waits under it.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  channel TEXT NOT NULL,
  key TEXT NOT NULL,
  payload TEXT NOT NULL,
  notBefore INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  lastError TEXT,
  createdAt INTEGER NOT NULL,
  UNIQUE (channel, key)
) STRICT;

-- Which input made which output: a repeated command answers as it did the first time. No output: it never ended.
CREATE TABLE idempotency (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  inputHash TEXT NOT NULL,
  output TEXT,
  createdAt INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_createdAt ON idempotency (createdAt);

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  doc TEXT NOT NULL CHECK (json_valid(doc))
) STRICT;

-- Programs that were started: recorded before they exist, so that a later start can find and end them.
CREATE TABLE processes (id TEXT PRIMARY KEY, doc TEXT NOT NULL CHECK (json_valid(doc))) STRICT;
