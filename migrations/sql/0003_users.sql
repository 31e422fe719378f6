-- Read models of the users context: accounts, devices, API tokens, connections to accounts elsewhere.
-- Nothing here is unique but ids: the log's claims keep e-mail addresses apart, and partitions are folded side by side,
-- so that an address can be seen with its new owner before it is seen to leave the old one.

CREATE TABLE view.users (
    id             uuid        PRIMARY KEY,
    email          text        NOT NULL,
    name           text        NOT NULL,
    avatar_url     text,
    time_zone      text        NOT NULL,
    locale         text        NOT NULL,
    working_hours  jsonb       NOT NULL,
    preferences    jsonb       NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    version        bigint      NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE view.users IS 'Accounts. An erased user has no row.';
COMMENT ON COLUMN view.users.email IS 'As the user wrote it. Unique without regard to case by a claim in the log.';
COMMENT ON COLUMN view.users.time_zone IS 'IANA zone: what `today` means for this user.';
COMMENT ON COLUMN view.users.working_hours IS 'Array of {weekday 1-7 (ISO 8601), from HH:MM, to HH:MM}.';
COMMENT ON COLUMN view.users.version IS 'Version of the stream that the row has reached: the ETag, and what makes applying a fact twice change nothing.';

CREATE TABLE view.logins (
    id             uuid        PRIMARY KEY,
    user_id        uuid        NOT NULL,
    device_name    text,
    user_agent     text,
    address        text,
    created_at     timestamptz NOT NULL,
    last_used_at   timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    ended_at       timestamptz,
    end_reason     text,
    version        bigint      NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX logins_active ON view.logins (user_id, last_used_at DESC, id DESC) WHERE ended_at IS NULL;
CREATE INDEX logins_user ON view.logins (user_id, created_at DESC, id DESC);
COMMENT ON TABLE view.logins IS 'A user''s devices: one row per login. The id is the `sid` of its access tokens. No hash of a refresh token.';
COMMENT ON COLUMN view.logins.last_used_at IS 'When the device logged in or last exchanged its refresh token.';
COMMENT ON COLUMN view.logins.expires_at IS 'When its refresh token stops working.';
COMMENT ON COLUMN view.logins.end_reason IS 'logged_out, logged_out_everywhere, password_changed, refresh_reuse or account_erased.';

CREATE TABLE view.api_tokens (
    id             uuid        PRIMARY KEY,
    user_id        uuid        NOT NULL,
    name           text        NOT NULL,
    scopes         text[]      NOT NULL,
    expires_at     timestamptz,
    revoked_at     timestamptz,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    version        bigint      NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX api_tokens_user ON view.api_tokens (user_id, created_at, id);
COMMENT ON TABLE view.api_tokens IS 'API tokens, never their secret nor its hash. Revoked ones stay, with the time.';

CREATE TABLE view.connections (
    id               uuid        PRIMARY KEY,
    user_id          uuid        NOT NULL,
    kind             text        NOT NULL CHECK (kind IN ('imap', 'smtp', 'caldav', 'n8n')),
    name             text        NOT NULL,
    endpoint         text        NOT NULL,
    port             integer,
    username         text,
    has_secret       boolean     NOT NULL,
    sync_state       text        NOT NULL CHECK (sync_state IN ('never', 'ok', 'failed')),
    synced_items     bigint      NOT NULL,
    last_synced_at   timestamptz,
    last_failed_at   timestamptz,
    failure_code     text,
    failure_detail   text,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    version          bigint      NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX connections_user ON view.connections (user_id, created_at, id);
COMMENT ON TABLE view.connections IS 'Accounts elsewhere that are connected now, and how their synchronisation fares. Never the secret.';
COMMENT ON COLUMN view.connections.has_secret IS 'Whether a password or token is stored (in the log, sealed).';
COMMENT ON COLUMN view.connections.sync_state IS 'Of the newest attempt: never (none yet), ok, failed (see failure_code).';
COMMENT ON COLUMN view.connections.synced_items IS 'Items that came in since the account was connected.';
COMMENT ON COLUMN view.connections.failure_code IS 'Of the newest attempt, if it failed: unreachable, authentication_failed …';

CREATE TABLE view.users_removed (
    id       uuid   PRIMARY KEY,
    user_id  uuid   NOT NULL,
    version  bigint NOT NULL
);
CREATE INDEX users_removed_user ON view.users_removed (user_id);
COMMENT ON TABLE view.users_removed IS 'Disconnected connections and erased users: a fact that is delivered again does not bring them back.';
