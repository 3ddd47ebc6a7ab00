-- Calendars (RFC 4791): what people store, with the facts that are asked for; alarms that are on their way.

-- Ids of calendars and of their objects, one series for both, within the account.
ALTER TABLE account ADD COLUMN next_calendar BIGINT NOT NULL DEFAULT 1;

CREATE TABLE calendar (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,                 -- its segment of the path
    title TEXT NOT NULL,                -- as people see it
    color TEXT NOT NULL,                -- as a client wrote it, '' none
    description TEXT NOT NULL,
    position BIGINT NOT NULL,           -- in lists
    kinds BIGINT NOT NULL,              -- content/icalendar.h: 1 events, 2 to-dos, 4 journals; their sum
    transparent BIGINT NOT NULL,        -- 1: its events leave their time free
    zone TEXT NOT NULL,                 -- of what has none, as tzdata names it; '' the cluster's
    zone_text TEXT NOT NULL,            -- the VTIMEZONE that a client set, as it was
    alarms TEXT NOT NULL,               -- default alarms of events with a time, as a client wrote them
    day_alarms TEXT NOT NULL,           -- of events of whole days
    changed_seq BIGINT NOT NULL,        -- newest change of it or of an object in it
    PRIMARY KEY (account, id)
);
CREATE UNIQUE INDEX calendar_name ON calendar (account, name);

-- `data` comes last, so that the others can be read without it.
CREATE TABLE calendar_object (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    calendar BIGINT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    etag TEXT NOT NULL,                 -- of the bytes
    kind BIGINT NOT NULL,
    size BIGINT NOT NULL,               -- counts for the quota
    recurs BIGINT NOT NULL,
    first_at BIGINT NOT NULL,           -- no instance begins before; ms
    last_at BIGINT NOT NULL,            -- nor ends after
    schedule_tag BIGINT NOT NULL,       -- grows with changes that are not a reply's alone (RFC 6638)
    changed_seq BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    alerted_at BIGINT NOT NULL,         -- alarms up to here have rung, or never will
    alert_at BIGINT NOT NULL,           -- the next one as far as it is known, 0 none
    data BYTEA NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE UNIQUE INDEX calendar_object_name ON calendar_object (account, calendar, name);
CREATE INDEX calendar_object_uid ON calendar_object (account, uid);
CREATE INDEX calendar_object_changed ON calendar_object (account, calendar, changed_seq);
CREATE INDEX calendar_object_time ON calendar_object (account, calendar, last_at, first_at);

-- Names of what is gone, for sync-collection (RFC 6578); trimmed with the change log.
CREATE TABLE calendar_gone (
    account BIGINT NOT NULL,
    calendar BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (account, calendar, seq)
--sqlite ) WITHOUT ROWID;
--postgresql );

-- Alarms that are being sent: noted before the send, away with what came of it. One that stays was perhaps sent.
CREATE TABLE calendar_alert (
    account BIGINT NOT NULL,
    object BIGINT NOT NULL,
    ring TEXT NOT NULL,                 -- which alarm of which instance, and when: the same for a second try
    noted_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    PRIMARY KEY (account, object, ring)
--sqlite ) WITHOUT ROWID;
--postgresql );
