-- Escalations that nobody has answered are looked for among all messages.
ALTER TABLE messages ADD COLUMN kind TEXT AS (doc ->> '$.kind') VIRTUAL;
CREATE INDEX messages_kind ON messages (kind);
