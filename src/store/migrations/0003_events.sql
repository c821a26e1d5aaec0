-- Events of outside programs: facts of the kind `observed`, found without reading the others.
CREATE INDEX fact_observed ON fact (seq) WHERE kind = 'observed';

-- A session's transcript, kept once: an event says how many of its messages it came with. One that does not go on from
-- the last begins a new chat. `digest` is of all messages so far; `lastSeq` is the newest event that refers to it.
CREATE TABLE chat (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL,
  session TEXT NOT NULL,
  count INTEGER NOT NULL,
  digest TEXT NOT NULL,
  lastSeq INTEGER NOT NULL
) STRICT;
CREATE INDEX chat_session ON chat (source, session);
CREATE INDEX chat_lastSeq ON chat (lastSeq);

-- `messages` is a JSON array; `last` is how many messages there are with these.
CREATE TABLE chat_part (
  chatId INTEGER NOT NULL REFERENCES chat (id) ON DELETE CASCADE,
  last INTEGER NOT NULL,
  messages TEXT NOT NULL,
  PRIMARY KEY (chatId, last)
) STRICT, WITHOUT ROWID;

-- Which event a sender's own key stands for: a repeat is answered with the first.
CREATE TABLE event_key (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_key_at ON event_key (at);

-- The names that filters offer, over all history: `source` and `type`.
CREATE TABLE event_name (kind TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (kind, name)) STRICT, WITHOUT ROWID;
