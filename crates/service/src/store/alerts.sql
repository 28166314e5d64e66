-- Alerts, as JSON; columns only for what is searched.
CREATE TABLE alerts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    since  INTEGER NOT NULL, -- Unix time, seconds
    done   INTEGER NOT NULL, -- 1: over, and everybody knows
    alert  TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_not_done ON alerts (number) WHERE done = 0;

-- Notices on their way: one row for each channel.
CREATE TABLE deliveries (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    channel   TEXT NOT NULL,
    state     TEXT NOT NULL, -- waiting, delivered, given-up
    next      INTEGER NOT NULL, -- Unix time, seconds: not tried before then
    at        INTEGER NOT NULL, -- Unix time, seconds: since when
    tries     INTEGER NOT NULL,
    error     TEXT,
    notice_id TEXT NOT NULL,
    notice    TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (channel, number) WHERE state = 'waiting';

-- What happened before there were alerts is no news.
INSERT INTO cursors SELECT 'alerts', coalesce(max(number), 0) FROM events;
