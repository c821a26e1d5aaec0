-- Colours of pages that show events; `owner` is who made it, by token or as the person.
CREATE TABLE themes (id TEXT PRIMARY KEY, owner TEXT NOT NULL, doc TEXT NOT NULL) STRICT, WITHOUT ROWID;
