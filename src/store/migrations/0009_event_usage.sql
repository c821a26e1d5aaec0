-- What sessions of outside programs have used, by day (UTC): sums that stay when retention removes their events. `usage` is
-- a Usage as JSON; `at` is when the session first used something on that day; a model that is not known is ''.
CREATE TABLE event_usage (
  day TEXT NOT NULL,
  source TEXT NOT NULL,
  session TEXT NOT NULL,
  model TEXT NOT NULL,
  at INTEGER NOT NULL,
  usage TEXT NOT NULL,
  PRIMARY KEY (day, source, session, model)
) STRICT, WITHOUT ROWID;
