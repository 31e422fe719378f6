//! `GET /connections` and `/connections/{id}`: accounts elsewhere, never their secrets.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{openapi::parsed, page::Page, path::PathId, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Users;
use crate::{
    answer::{IfNoneMatch, Snapshot},
    past::About,
    reader::{Reader, Whose},
    routes::{
        fixed::{self, Begin, PageParameters},
        mailboxes,
    },
};

/// A connection to an account elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Connection, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000f1", "kind": "imap", "name": "Work mail", "endpoint": "imap.example.org",
    "port": 993, "username": "ada", "has_secret": true, "security": "tls", "address": null, "display_name": null,
    "imap_connection_id": null, "saves_sent": null,
    "sync": {"state": "ok", "items": 120, "last_synced_at": "2026-11-22T20:28:00Z", "last_failed_at": null, "failure": null,
        "current": {"phase": "watching", "last_error": null, "next_retry_at": null, "synced_at": "2026-11-22T20:28:00Z"}},
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 3
}"#)))]
pub struct Connection {
    /// Its id.
    pub id: Uuid,
    /// `imap`, `smtp`, `caldav` or `n8n`
    pub kind: String,
    /// What the user calls it.
    pub name: String,
    /// Host name, or the base URL of a `CalDAV` server or n8n instance.
    pub endpoint: String,
    /// TCP port, for IMAP and SMTP.
    pub port: Option<i32>,
    /// Whom to log in as.
    pub username: Option<String>,
    /// Whether a password or token is stored. It is never shown.
    pub has_secret: bool,
    /// For IMAP and SMTP: `tls`, `starttls` or `plain`; what is usual at the port, if null.
    pub security: Option<String>,
    /// For SMTP: the address that e-mail is sent from; the user name, if null.
    pub address: Option<String>,
    /// For SMTP: the name beside that address.
    pub display_name: Option<String>,
    /// For SMTP: the IMAP connection in whose mailbox lies what was sent.
    pub imap_connection_id: Option<Uuid>,
    /// For SMTP: whether the server itself keeps a copy of what is sent through it; not known, if null.
    pub saves_sent: Option<bool>,
    /// How its synchronisation fares.
    pub sync: Sync,
    /// When it was connected.
    pub created_at: DateTime<Utc>,
    /// When it last changed, synchronisation included.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change: the `ETag`.
    pub version: i64,
}

/// How a synchronisation fares.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ConnectionSync, example = json!(parsed(r#"{
    "state": "ok", "items": 120, "last_synced_at": "2026-11-22T20:28:00Z", "last_failed_at": null, "failure": null,
    "current": null
}"#)))]
pub struct Sync {
    /// Of the newest attempt that was recorded: `never` (none yet), `ok` or `failed`. Of mailboxes each change of this is
    /// recorded, and a failure only once it is certain: after three in a row, or a password that is refused.
    pub state: String,
    /// Items that came in since the account was connected.
    pub items: i64,
    /// When it went well, as last recorded.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// When it failed, as last recorded.
    pub last_failed_at: Option<DateTime<Utc>>,
    /// Why the newest attempt failed; null if it did not.
    pub failure: Option<Failure>,
    /// For IMAP: how the mailbox is kept in step, as of now: `updated_at` and `version` know nothing of it. Null of others,
    /// and whenever the past is asked for (`as_of`). Of its folders `/emails/folders` tells.
    pub current: Option<Current>,
}

/// What is done with a mailbox elsewhere.
#[derive(ToSchema)]
#[schema(as = MailboxSyncPhase, rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values; rows carry them as text")]
pub enum Phase {
    /// It is due, and nobody has begun yet.
    Waiting,
    /// All of it is compared.
    Syncing,
    /// It was in step at `synced_at`; what happens later is told by the server, or found by the next pass.
    Watching,
    /// It failed and is tried again at `next_retry_at`.
    Failed,
}

/// How a mailbox elsewhere is kept in step.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = MailboxSync, example = json!(parsed(r#"{
    "phase": "failed", "last_error": {"code": "unreachable", "detail": "The server cannot be reached, or does not answer.",
    "at": "2026-11-22T20:28:00Z"}, "next_retry_at": "2026-11-22T20:28:05Z", "synced_at": "2026-11-22T20:13:00Z"
}"#)))]
pub struct Current {
    /// What is done with it.
    #[schema(value_type = Phase)]
    pub phase: String,
    /// Why it was last out of step; null as soon as it is in step again.
    pub last_error: Option<mailboxes::Failure>,
    /// When it is tried again, if it failed; null if not before the settings of the connection change.
    pub next_retry_at: Option<DateTime<Utc>>,
    /// When it was last compared from end to end; null if it never was.
    pub synced_at: Option<DateTime<Utc>>,
}

/// Why a synchronisation failed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ConnectionFailure, example = json!(parsed(r#"{"code": "unreachable", "detail": "imap.example.org does not answer"}"#)))]
pub struct Failure {
    /// For programs: `unreachable`, `authentication_failed` …
    pub code: String,
    /// One sentence for people.
    pub detail: Option<String>,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    kind: Option<String>,
    name: Option<String>,
    endpoint: Option<String>,
    port: Option<i32>,
    username: Option<String>,
    has_secret: Option<bool>,
    sync_state: Option<String>,
    synced_items: Option<i64>,
    last_synced_at: Option<DateTime<Utc>>,
    last_failed_at: Option<DateTime<Utc>>,
    failure_code: Option<String>,
    failure_detail: Option<String>,
    phase: Option<String>,
    error_code: Option<String>,
    error_detail: Option<String>,
    error_at: Option<DateTime<Utc>>,
    next_retry_at: Option<DateTime<Utc>>,
    synced_at: Option<DateTime<Utc>>,
    security: Option<String>,
    address: Option<String>,
    display_name: Option<String>,
    imap_connection_id: Option<Uuid>,
    saves_sent: Option<bool>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    fn connection(mut self) -> Option<Connection> {
        let current = self.current();
        let detail = self.failure_detail;
        Some(Connection {
            id: self.id?,
            kind: self.kind?,
            name: self.name?,
            endpoint: self.endpoint?,
            port: self.port,
            username: self.username,
            has_secret: self.has_secret?,
            security: self.security,
            address: self.address,
            display_name: self.display_name,
            imap_connection_id: self.imap_connection_id,
            saves_sent: self.saves_sent,
            sync: Sync {
                state: self.sync_state?,
                items: self.synced_items?,
                last_synced_at: self.last_synced_at,
                last_failed_at: self.last_failed_at,
                failure: self.failure_code.map(|code| Failure { code, detail }),
                current,
            },
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
        })
    }

    fn current(&mut self) -> Option<Current> {
        Some(Current {
            phase: self.phase.take()?,
            last_error: mailboxes::Failure::of(self.error_code.take(), self.error_detail.take(), self.error_at),
            next_retry_at: self.next_retry_at,
            synced_at: self.synced_at,
        })
    }
}

/// The accounts elsewhere that the caller has connected, oldest first.
#[utoipa::path(
    get, path = "/connections", tag = "connections", operation_id = "list_connections", params(PageParameters),
    responses((status = 200, description = "A page of connections", body = Page<Connection>))
)]
pub async fn all(reader: Reader<Users>, query: Query) -> Result<Snapshot<Page<Connection>>, ApiError> {
    let (page, begin) = fixed::page(query, "created_at", false, reader.cursors())?;
    let (begin, now) = (&begin, now(&reader));
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, begin, now).await }).await?;
    Ok(found.map(|all| page.page(all, None, |connection| vec![json!(connection.created_at), json!(connection.id)])))
}

/// One connection.
#[utoipa::path(
    get, path = "/connections/{id}", tag = "connections", operation_id = "get_connection",
    params(("id" = Uuid, Path, description = "The connection"), ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has")),
    responses(
        (status = 200, description = "The connection", body = Connection, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has this version; never where `sync.current` tells more than it"),
    )
)]
pub async fn get(
    reader: Reader<Users>,
    PathId(id): PathId,
    known: IfNoneMatch,
    query: Query,
) -> Result<Response, ApiError> {
    query.finish()?;
    let now = now(&reader);
    let connection = reader
        .about(About::Itself(id))
        .ask(|mut db, whose| async move { find(&mut db, whose, id, now).await })
        .await?
        .found()?;
    let version = connection.body.version;
    // The version says nothing of what is going on now.
    let is_all_told = connection.body.sync.current.is_none();
    Ok(if is_all_told { connection.unless_known(version, &known) } else { connection.tagged(version) })
}

/// What time it is; none in the past, of which nobody knows how far anything was in step.
fn now(reader: &Reader<Users>) -> Option<DateTime<Utc>> {
    (!reader.is_past()).then(|| reader.now())
}

async fn list(
    db: &mut PgConnection,
    whose: Whose,
    begin: &Begin<DateTime<Utc>>,
    now: Option<DateTime<Utc>>,
) -> sqlx::Result<Snapshot<Vec<Connection>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", n.id AS "id?", n.kind AS "kind?", n.name AS "name?", n.endpoint AS "endpoint?",
                  n.port AS "port?", n.username AS "username?", n.has_secret AS "has_secret?",
                  n.sync_state AS "sync_state?", n.synced_items AS "synced_items?",
                  n.last_synced_at AS "last_synced_at?", n.last_failed_at AS "last_failed_at?",
                  n.failure_code AS "failure_code?", n.failure_detail AS "failure_detail?",
                  CASE WHEN a.phase IN ('syncing', 'watching') AND coalesce(a.alive_until < $6, true) THEN 'waiting'
                       ELSE a.phase END AS "phase?",
                  a.error_code AS "error_code?", a.error_detail AS "error_detail?", a.error_at AS "error_at?",
                  CASE WHEN a.phase = 'failed' THEN a.next_try_at END AS "next_retry_at?", a.synced_at AS "synced_at?",
                  n.security AS "security?", n.address AS "address?", n.display_name AS "display_name?",
                  n.imap_connection_id AS "imap_connection_id?", n.saves_sent AS "saves_sent?",
                  n.created_at AS "created_at?", n.updated_at AS "updated_at?", n.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'users' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT n.id, n.kind, n.name, n.endpoint, n.port, n.username, n.has_secret, n.sync_state, n.synced_items,
                      n.last_synced_at, n.last_failed_at, n.failure_code, n.failure_detail, n.security, n.address,
                      n.display_name, n.imap_connection_id, n.saves_sent, n.created_at, n.updated_at, n.version
               FROM connections n WHERE n.user_id = $2
                   AND ($3::timestamptz IS NULL OR (n.created_at, n.id) > ($3, $4))
               ORDER BY n.created_at, n.id LIMIT $5) n ON true
           LEFT JOIN work.mail_accounts a
               ON a.connection_id = n.id AND a.user_id = $2 AND $6::timestamptz IS NOT NULL
           ORDER BY n.created_at, n.id"#,
        whose.partition,
        whose.user_id,
        begin.value,
        begin.id,
        begin.fetch,
        now
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::connection).collect() })
}

async fn find(
    db: &mut PgConnection,
    whose: Whose,
    id: Uuid,
    now: Option<DateTime<Utc>>,
) -> sqlx::Result<Snapshot<Option<Connection>>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", n.id AS "id?", n.kind AS "kind?", n.name AS "name?", n.endpoint AS "endpoint?",
                  n.port AS "port?", n.username AS "username?", n.has_secret AS "has_secret?",
                  n.sync_state AS "sync_state?", n.synced_items AS "synced_items?",
                  n.last_synced_at AS "last_synced_at?", n.last_failed_at AS "last_failed_at?",
                  n.failure_code AS "failure_code?", n.failure_detail AS "failure_detail?",
                  CASE WHEN a.phase IN ('syncing', 'watching') AND coalesce(a.alive_until < $4, true) THEN 'waiting'
                       ELSE a.phase END AS "phase?",
                  a.error_code AS "error_code?", a.error_detail AS "error_detail?", a.error_at AS "error_at?",
                  CASE WHEN a.phase = 'failed' THEN a.next_try_at END AS "next_retry_at?", a.synced_at AS "synced_at?",
                  n.security AS "security?", n.address AS "address?", n.display_name AS "display_name?",
                  n.imap_connection_id AS "imap_connection_id?", n.saves_sent AS "saves_sent?",
                  n.created_at AS "created_at?", n.updated_at AS "updated_at?", n.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'users' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN connections n ON n.id = $3 AND n.user_id = $2
           LEFT JOIN work.mail_accounts a
               ON a.connection_id = n.id AND a.user_id = $2 AND $4::timestamptz IS NOT NULL
           LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id,
        now
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.connection() })
}
