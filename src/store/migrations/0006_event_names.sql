-- The newest event of each name: a name goes with its last event. Those from before count as used just now.
ALTER TABLE event_name ADD COLUMN lastSeq INTEGER NOT NULL DEFAULT 0;
UPDATE event_name SET lastSeq = coalesce((SELECT max(seq) FROM fact), 0);
