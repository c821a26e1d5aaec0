-- Where the clock had been set back: from that event on time begins again at an earlier moment. Between two of these it only
-- grows with the position, so that a moment is found by halving.
CREATE TABLE event_step (seq INTEGER PRIMARY KEY) STRICT;
INSERT INTO event_step
  SELECT seq FROM (SELECT seq, at, lag(at) OVER (ORDER BY seq) AS before FROM fact WHERE kind = 'observed') WHERE at < before;
