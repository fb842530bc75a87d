-- What auditors read: an entry an event, and one a check of a pass's status, each as a JSON object.
CREATE TABLE tickets_log (
    id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    entry TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tickets_log_by_time ON tickets_log (at_ms);
CREATE TABLE status_log (
    id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    entry TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX status_log_by_time ON status_log (at_ms);
