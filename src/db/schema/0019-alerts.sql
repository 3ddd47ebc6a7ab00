-- What came of each alarm, and alarms on their way to people's devices.

-- The last alarm of it that went out by mail, and to be shown: when it was due, ms; 0 none (calendar.alarms.minimum-interval).
ALTER TABLE calendar_object ADD COLUMN mailed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE calendar_object ADD COLUMN shown_at BIGINT NOT NULL DEFAULT 0;

-- Not only what is under way: a row stays as the ledger until storage.history-retention.
ALTER TABLE calendar_alert ADD COLUMN state BIGINT NOT NULL DEFAULT 1;      -- 0 waits, 1 under way, 2 sent or shown, 3 refused for good
ALTER TABLE calendar_alert ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;     -- when it was to ring, ms
ALTER TABLE calendar_alert ADD COLUMN ended_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE calendar_alert ADD COLUMN uncertain BIGINT NOT NULL DEFAULT 0;  -- sent again since its fate was not known
ALTER TABLE calendar_alert ADD COLUMN error TEXT NOT NULL DEFAULT '';
CREATE INDEX calendar_alert_at ON calendar_alert (noted_at);

-- The outbox of CalendarAlert pushes: a row for each device, written with the ring; away with what came of it.
CREATE TABLE push_alert (
    account BIGINT NOT NULL,
    subscription BIGINT NOT NULL,
    object BIGINT NOT NULL,
    ring TEXT NOT NULL,                 -- as in calendar_alert
    text TEXT NOT NULL,                 -- what is pushed
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,         -- of no use to anybody from then on
    sending_at BIGINT NOT NULL,         -- it is under way, perhaps, since then; 0 not
    next_at BIGINT NOT NULL,            -- not before
    PRIMARY KEY (account, subscription, object, ring)
--sqlite ) WITHOUT ROWID;
--postgresql );
