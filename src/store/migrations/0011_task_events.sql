-- What callers are told of a delegation, to be counted and paged through: the facts of which `taskEventOf` makes an event.
-- The journal asks with the same words.
CREATE INDEX fact_taskEvent ON fact (requestId) WHERE requestId IS NOT NULL AND (
  kind IN ('text', 'tool.ended', 'retrying', 'check.ran', 'delegation.message')
  OR (kind = 'attempt.changed' AND (data ->> '$.from') = 'starting' AND (data ->> '$.to') = 'working')
  OR (kind = 'approval.changed' AND (data ->> '$.from') IS NOT (data ->> '$.to'))
  OR (kind = 'request.changed' AND (data ->> '$.from') IS NOT (data ->> '$.to') AND (
    (data ->> '$.to') IN ('paused', 'done', 'failed', 'cancelled')
    OR ((data ->> '$.to') = 'running' AND (data ->> '$.from') = 'paused')
  ))
);
-- The last words of a request are looked for from its end; of a long turn that is far.
CREATE INDEX fact_turn ON fact (requestId) WHERE requestId IS NOT NULL AND kind = 'turn.ended';
