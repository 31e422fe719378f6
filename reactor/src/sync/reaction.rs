//! Reading the log on: which accounts there are, and what was changed here that a server is to know.
//!
//! How far it has read stands in the book and moves with what is written there, so nothing is left out and nothing is
//! noted twice. It begins with the first fact: what was changed before an e-mail was known to lie there means nothing.

use std::{collections::BTreeMap, time::Duration};

use orbit_domain::users::Connection;
use orbit_event_store::{EventStore, Fault as LogFault};
use orbit_events::{Actor, Envelope, users::connection::Kind};
use orbit_platform::{postgres::Pool, shutdown::Shutdown};
use sqlx::PgConnection;
use tokio::sync::watch;
use uuid::Uuid;

use crate::Deps;

/// Under which name it stands in the book how far it has read.
pub(super) const NAME: &str = "mail";
/// How often it looks for facts that nobody told of.
const POLL: Duration = Duration::from_secs(1);
/// Facts at a time.
const PAGE: i64 = 500;
/// Facts of these categories are read.
const CATEGORIES: [&str; 3] = ["connections", "emails", "users"];
/// Facts after which an e-mail may have to be something else there.
const MARKS: [&str; 11] = [
    "emails.read",
    "emails.unread",
    "emails.starred",
    "emails.unstarred",
    "emails.labelled",
    "emails.unlabelled",
    "emails.archived",
    "emails.unarchived",
    "emails.moved",
    "emails.trashed",
    "emails.restored",
];
const DELETED: &str = "emails.deleted";

/// Why it did not go on.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Log(#[from] LogFault),
    #[error("the book of mailboxes could not be written")]
    Book(#[from] sqlx::Error),
}

/// Reads on until `shutdown`, and tells whenever it has noted something.
pub(super) fn start(deps: &Deps, shutdown: &Shutdown) -> watch::Receiver<()> {
    let (noted, hears) = watch::channel(());
    let store = deps.store.clone();
    let life = shutdown.clone();
    shutdown.spawn("mail.reaction", async move {
        let mut appended = store.appended();
        loop {
            match step(&store).await {
                Ok(Step::More) => {
                    noted.send_replace(());
                    if !life.is_cancelled() {
                        continue;
                    }
                }
                Ok(Step::Noted) => noted.send_replace(()),
                Ok(Step::Nothing) => {}
                Err(fault) => {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "reading the log failed, will try again");
                }
            }
            tokio::select! {
                () = life.cancelled() => return,
                // Whoever appends in this process tells; others are found by looking.
                _ = appended.changed() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    });
    hears
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    Noted,
    More,
}

async fn step(store: &EventStore) -> Result<Step, Fault> {
    let pool: &Pool = store.log().pool();
    let mut transaction = pool.begin().await?;
    sqlx::query!("INSERT INTO work.reactions (name, position) VALUES ($1, 0) ON CONFLICT DO NOTHING", NAME)
        .execute(&mut *transaction)
        .await?;
    let read = sqlx::query_scalar!("SELECT position FROM work.reactions WHERE name = $1 FOR UPDATE SKIP LOCKED", NAME)
        .fetch_optional(&mut *transaction)
        .await?;
    // Another process is at it.
    let Some(read) = read else { return Ok(Step::Nothing) };
    let head = store.log().head().await?.position;
    metrics::gauge!("orbit_reaction_lag", "reaction" => NAME).set(lag(head - read));
    if head <= read {
        return Ok(Step::Nothing);
    }
    let facts = store.log().envelopes(&CATEGORIES, read, head, PAGE).await?;
    let is_last = i64::try_from(facts.len()).unwrap_or(PAGE) < PAGE;
    let upto = if is_last { head } else { facts.last().map_or(head, |last| last.position) };
    accounts(&mut transaction, store, &facts).await?;
    changes(&mut transaction, &facts).await?;
    sqlx::query!("UPDATE work.reactions SET position = $2 WHERE name = $1", NAME, upto)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(match (is_last, facts.is_empty()) {
        (false, _) => Step::More,
        (true, false) => Step::Noted,
        (true, true) => Step::Nothing,
    })
}

/// Accounts that came, changed or went, as they are now.
async fn accounts(connection: &mut PgConnection, store: &EventStore, facts: &[Envelope]) -> Result<(), Fault> {
    let changes = |fact: &&Envelope| fact.category == "connections" && !fact.wire_type.starts_with("connections.sync_");
    let touched: BTreeMap<Uuid, Uuid> =
        facts.iter().filter(changes).map(|fact| (fact.stream_id, fact.user_id.0)).collect();
    for (connection_id, user_id) in touched {
        let known = match store.load::<Connection>(connection_id).await {
            Ok(known) => known,
            // Its user is forgotten, and so is the account.
            Err(LogFault::Forgotten) => None,
            Err(fault) => return Err(fault.into()),
        };
        let version = known.filter(|known| known.state.present().is_some_and(|account| account.kind == Kind::Imap));
        match version.map(|known| known.version) {
            Some(version) => account_is_there(connection, connection_id, user_id, version).await?,
            None => account_is_gone(connection, connection_id).await?,
        }
    }
    let erased: Vec<Uuid> =
        facts.iter().filter(|fact| fact.wire_type == "users.erased").map(|fact| fact.user_id.0).collect();
    if !erased.is_empty() {
        let accounts =
            sqlx::query_scalar!("SELECT connection_id FROM work.mail_accounts WHERE user_id = ANY($1)", &erased)
                .fetch_all(&mut *connection)
                .await?;
        for account in accounts {
            account_is_gone(connection, account).await?;
        }
        sqlx::query!("DELETE FROM work.mail_copies WHERE user_id = ANY($1)", &erased).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn account_is_there(connection: &mut PgConnection, id: Uuid, user: Uuid, version: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO work.mail_accounts AS a (connection_id, user_id, settings, phase, next_try_at)
         VALUES ($1, $2, $3, 'waiting', '-infinity')
         ON CONFLICT (connection_id) DO UPDATE
             SET settings = excluded.settings, phase = excluded.phase, failures = 0, next_try_at = excluded.next_try_at
             WHERE a.settings <> excluded.settings",
        id,
        user,
        version
    )
    .execute(&mut *connection)
    .await?;
    // Copies that could not be laid, maybe for what was wrong with it; whoever is just trying one is to try again.
    sqlx::query!(
        "UPDATE work.mail_copies SET next_try_at = '-infinity', asked = asked + 1
         WHERE user_id = $1 AND (attempts > 0 OR worker IS NOT NULL)",
        user
    )
    .execute(connection)
    .await
    .map(drop)
}

async fn account_is_gone(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    // The account first: whoever is noting something of it then waits, and finds that it is gone. What is missing comes out
    // of what was known, so it goes after that.
    for table in [
        "DELETE FROM work.mail_accounts WHERE connection_id = $1",
        "DELETE FROM work.mail_folders WHERE connection_id = $1",
        "DELETE FROM work.mail_uids WHERE connection_id = $1",
        "DELETE FROM work.mail_missing WHERE connection_id = $1",
        "DELETE FROM work.mail_outbound WHERE connection_id = $1",
    ] {
        sqlx::query(table).bind(id).execute(&mut *connection).await?;
    }
    Ok(())
}

/// E-mails that were changed by others than the connection through which they came.
async fn changes(connection: &mut PgConnection, facts: &[Envelope]) -> sqlx::Result<()> {
    let changes = facts.iter().filter(|fact| MARKS.contains(&&*fact.wire_type) || fact.wire_type == DELETED);
    // The newest by each actor: what one mailbox said of an e-mail, another may have to know.
    let mut newest: BTreeMap<(Uuid, Option<Uuid>), i64> = BTreeMap::new();
    for fact in changes {
        let by = match fact.metadata.actor {
            Actor::Integration { connection_id } => Some(connection_id),
            Actor::User | Actor::Agent { .. } | Actor::System => None,
        };
        newest.insert((fact.stream_id, by), fact.position);
    }
    let emails: Vec<Uuid> = newest.keys().map(|(email, _)| *email).collect();
    let by: Vec<Option<Uuid>> = newest.keys().map(|(_, by)| *by).collect();
    let positions: Vec<i64> = newest.values().copied().collect();
    sqlx::query!(
        "INSERT INTO work.mail_outbound AS o (connection_id, email_id, user_id, position)
         SELECT u.connection_id, u.email_id, u.user_id, max(c.position)
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS c (email_id, by, position)
         JOIN LATERAL (
             SELECT connection_id, email_id, user_id FROM work.mail_uids k WHERE k.email_id = c.email_id
             UNION SELECT connection_id, email_id, user_id FROM work.mail_missing m WHERE m.email_id = c.email_id
         ) u ON u.connection_id IS DISTINCT FROM c.by
         GROUP BY u.connection_id, u.email_id, u.user_id
         ON CONFLICT (connection_id, email_id) DO UPDATE
             SET position = greatest(o.position, excluded.position), attempts = 0",
        &emails,
        &by as &[Option<Uuid>],
        &positions
    )
    .execute(connection)
    .await
    .map(drop)
}

#[expect(clippy::cast_precision_loss, reason = "a gauge forgives")]
fn lag(facts: i64) -> f64 {
    facts as f64
}
