-- The embedded city store, version 2. Times are Unix milliseconds UTC. Texts that repeat are interned: a row costs
-- about 70 bytes with its index entry. People and tools read the view `readings`.
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE words (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO words VALUES (0, '');
CREATE TABLE properties (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, unit TEXT NOT NULL);

CREATE TABLE stations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    domain TEXT NOT NULL,
    lon REAL,
    lat REAL,
    report_interval_s INTEGER NOT NULL
) WITHOUT ROWID;
-- Where a node stands now; where it stood when a row was observed is in the row.
CREATE TABLE placements (node TEXT PRIMARY KEY, station TEXT NOT NULL REFERENCES stations (id)) WITHOUT ROWID;

CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL UNIQUE,
    first_seen INTEGER,
    last_seen INTEGER,
    frames INTEGER NOT NULL DEFAULT 0,
    clock INTEGER,
    alarm INTEGER NOT NULL DEFAULT 0,
    records_boot INTEGER NOT NULL DEFAULT -1,  -- the frame that `alarm` and `clock` come from: a late frame changes neither
    records_seq INTEGER NOT NULL DEFAULT -1,
    firmware TEXT,
    health TEXT,                               -- JSON of the newest health frame, and which one that was
    health_at INTEGER,
    health_boot INTEGER NOT NULL DEFAULT -1,
    health_seq INTEGER NOT NULL DEFAULT -1,
    clock_offset_ms INTEGER                    -- node's UTC minus the bridge's at receipt: drift plus transit
);

CREATE TABLE clock_maps (
    node INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    utc_minus_uptime_ms INTEGER NOT NULL,
    quality INTEGER NOT NULL,
    PRIMARY KEY (node, boot)
) WITHOUT ROWID;

CREATE TABLE observations (
    node INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    property INTEGER NOT NULL,
    value REAL,
    quality INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    observed_at INTEGER,
    uptime INTEGER,                            -- set when the record was taken before the clock was
    clock INTEGER NOT NULL,
    received INTEGER NOT NULL,
    station INTEGER,
    dated_later INTEGER NOT NULL DEFAULT 0,
    tests INTEGER NOT NULL DEFAULT 0,          -- the host's tests and their flags, a word; 0: none was made
    PRIMARY KEY (node, boot, seq, idx, property)
) WITHOUT ROWID;
CREATE INDEX series ON observations (node, property, observed_at) WHERE observed_at IS NOT NULL;
-- Few rows, and those that no series shows: to list them, and to let them age.
CREATE INDEX undated ON observations (received) WHERE observed_at IS NULL;

CREATE TABLE latest (
    node INTEGER NOT NULL,
    property INTEGER NOT NULL,
    value REAL,
    quality INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    observed_at INTEGER NOT NULL,
    received INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    dated_later INTEGER NOT NULL,
    tests INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (node, property)
) WITHOUT ROWID;

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
