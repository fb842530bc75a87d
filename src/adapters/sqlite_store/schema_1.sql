-- Topics. A partition's id is the topic's id * 65536 + its number.
CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    compacted INTEGER NOT NULL
);
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    first_offset INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    last_timestamp_ms INTEGER NOT NULL
);
-- Records that were put at once, packed: a row for each record would cost ten times as much to write and read.
CREATE TABLE record_batches (
    id INTEGER PRIMARY KEY,
    partition_id INTEGER NOT NULL,
    base_offset INTEGER NOT NULL,
    last_offset INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    size INTEGER NOT NULL,
    records BLOB NOT NULL
);
CREATE UNIQUE INDEX record_batches_by_offset ON record_batches (partition_id, last_offset, size);
CREATE INDEX record_batches_by_time ON record_batches (partition_id, timestamp_ms, base_offset);
-- `generation` moves with every join: a commit of an earlier member is refused.
CREATE TABLE consumer_groups (
    name TEXT PRIMARY KEY,
    generation INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE group_positions (
    group_name TEXT NOT NULL,
    partition_id INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    PRIMARY KEY (group_name, partition_id)
) WITHOUT ROWID;

-- Cache documents. What an uneventful refresh writes is a row of 30 bytes, apart from all that it leaves alone.
CREATE TABLE cache_state (
    user_id INTEGER PRIMARY KEY,
    timestamp INTEGER NOT NULL,
    document_version INTEGER NOT NULL,
    version INTEGER NOT NULL,
    fence INTEGER NOT NULL
);
CREATE TABLE cache_heads (
    user_id INTEGER PRIMARY KEY,
    entries BLOB NOT NULL,
    stream BLOB NOT NULL,
    log_bytes INTEGER NOT NULL
);
CREATE TABLE cache_payloads (
    id INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
);
CREATE TABLE cache_logs (
    user_id INTEGER NOT NULL,
    list INTEGER NOT NULL,
    entries TEXT NOT NULL,
    PRIMARY KEY (user_id, list)
);
CREATE TABLE epoch_counter (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    epoch INTEGER NOT NULL
);
CREATE TABLE committed_marks (
    group_name TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_name, topic, partition)
) WITHOUT ROWID;

-- The riders' tokens, as in the portal's table of that name.
CREATE TABLE bytemark_tokens (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    token TEXT
);
CREATE INDEX bytemark_tokens_by_user ON bytemark_tokens (user_id);
