-- What is still to be delivered to the outside. Adding a key again replaces what waits under it. The items of a lane are
-- delivered one after the other; after `expiresAt` an item is of no use to anybody.
DROP TABLE outbox;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  channel TEXT NOT NULL,
  lane TEXT NOT NULL,
  key TEXT NOT NULL,
  payload TEXT NOT NULL,
  notBefore INTEGER NOT NULL,
  expiresAt INTEGER,
  tries INTEGER NOT NULL DEFAULT 0,
  lastError TEXT,
  createdAt INTEGER NOT NULL,
  UNIQUE (channel, key)
) STRICT;
CREATE INDEX outbox_lane ON outbox (channel, lane, id);
