-- What a job's state is now; one row for each job.
CREATE TABLE jobs (
    name  TEXT PRIMARY KEY,
    state TEXT NOT NULL
) STRICT;

-- Every run that was begun, ended, missed or skipped here, as JSON; columns only for what is searched.
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id     TEXT NOT NULL UNIQUE,
    job    TEXT NOT NULL,
    due    INTEGER NOT NULL, -- Unix time, seconds
    status TEXT NOT NULL,
    run    TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_job ON runs (job, number);

-- Everything that happened, in order.
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL, -- Unix time, seconds
    event  TEXT NOT NULL
) STRICT;

-- How far each reader of the events has come.
CREATE TABLE cursors (
    name   TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;

-- Who asked for what, and whether it was allowed.
CREATE TABLE audit (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL, -- Unix time, seconds
    entry   TEXT NOT NULL
) STRICT;

-- `ledger`: the page of the vault's ledger that the states here build on.
CREATE TABLE numbers (
    name   TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;
