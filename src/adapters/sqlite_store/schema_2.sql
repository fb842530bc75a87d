-- Parking events. `fields` is a JSON object, `origins` says which records its values came from.
CREATE TABLE parking_events (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    origins TEXT NOT NULL,
    fields TEXT NOT NULL
);
CREATE INDEX parking_events_by_creation ON parking_events (created_at_ms);
