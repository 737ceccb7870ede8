-- Version 2: the host's quality tests beside each flag. A step is history: it never changes.
ALTER TABLE observations ADD COLUMN tests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE latest ADD COLUMN tests INTEGER NOT NULL DEFAULT 0;
INSERT OR IGNORE INTO words (id, text) VALUES (0, '');
CREATE INDEX undated ON observations (received) WHERE observed_at IS NULL;
DROP VIEW readings;
CREATE VIEW readings AS
SELECT
    n.node, s.text AS station, p.name AS property, o.value, p.unit, o.quality, r.text AS reason,
    o.observed_at AS observed_at_ms, o.uptime AS uptime_ms, o.received AS received_ms,
    o.boot, o.seq, o.idx, o.clock, o.dated_later, coalesce(t.text, '') AS tests
FROM observations AS o
JOIN nodes AS n ON n.id = o.node
JOIN properties AS p ON p.id = o.property
JOIN words AS r ON r.id = o.reason
LEFT JOIN words AS s ON s.id = o.station
LEFT JOIN words AS t ON t.id = o.tests;
