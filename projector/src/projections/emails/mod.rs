//! The emails projection: e-mails, the words they are found by, threads, folders, drafts, submissions, uploads.

mod attachment;
mod counts;
mod decision;
mod draft;
mod email;
mod folder;
mod gone;
mod links;
mod settle;
mod submission;
mod threads;
mod words;
mod written;

use std::collections::HashSet;

use orbit_events::Recorded;
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows;
use crate::projection::{ApplyFault, Interest, Projection, Tables};
use written::Arrived;

/// Folds facts about e-mails and what is written; of the users it wants to know who was erased.
pub struct Emails;

impl Projection for Emails {
    const NAME: &'static str = "emails";
    const VERSION: i32 = 4;
    const INTEREST: Interest = Interest::Some {
        categories: &["emails", "drafts", "submissions", "threads", "folders", "attachments"],
        types: &[rows::ERASED],
    };
    const TABLES: &'static [&'static str] = &[
        "emails",
        "email_words",
        "email_phrases",
        "email_labels",
        "email_languages",
        "email_counts",
        "email_links",
        "email_nodes",
        "email_decisions",
        "email_threads",
        "email_folders",
        "email_drafts",
        "email_submissions",
        "email_uploads",
        "emails_removed",
    ];
    const FOLDED_BY: &'static [&'static str] =
        &["email_links_thread", "email_links_subject", "email_nodes_thread", "email_decisions_ids"];

    const SPREADS_FROM: usize = words::MANY;

    async fn apply(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        fold(connection, None, facts, Tables::Serving).await
    }

    async fn spread(
        connection: &mut PgConnection,
        second: &mut PgConnection,
        facts: &[&Recorded],
    ) -> Result<(), ApplyFault> {
        fold(connection, Some(second), facts, Tables::Serving).await
    }

    async fn fill(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        fold(connection, None, facts, Tables::Fresh).await
    }

    async fn rest(connection: &mut PgConnection) -> Result<(), ApplyFault> {
        words::sort_in(connection).await
    }
}

async fn fold(
    connection: &mut PgConnection,
    second: Option<&mut PgConnection>,
    facts: &[&Recorded],
    tables: Tables,
) -> Result<(), ApplyFault> {
    let erased = rows::erased(facts);
    let mut removed = gone::find(connection, facts).await?;
    removed.extend(erased.iter().map(|user| (user.id, user.version)));
    let facts: Vec<&Recorded> =
        facts.iter().filter(|fact| !removed.contains_key(&fact.envelope.user_id.0)).copied().collect();

    let emails = rows::fold::<email::Row>(connection, &facts, &removed).await?;
    let decisions = rows::fold::<decision::Row>(connection, &facts, &removed).await?;
    let folders = rows::fold::<folder::Row>(connection, &facts, &removed).await?;
    let drafts = rows::fold::<draft::Row>(connection, &facts, &removed).await?;
    let submissions = rows::fold::<submission::Row>(connection, &facts, &removed).await?;
    let uploads = rows::fold::<attachment::Row>(connection, &facts, &removed).await?;

    gone::remove(connection, &emails.gone, &folders.gone, &uploads.gone).await?;
    // Whoever deletes rows of words here must not wait for somebody who waits for that.
    let second = second.filter(|_| emails.gone.is_empty() && erased.is_empty());
    let deleted = written::delete(connection, &emails.gone).await?;
    let rows = emails.into_rows();
    let (came, marked): (Vec<&email::Row>, Vec<&email::Row>) = rows.iter().partition(|row| row.came.is_some());
    let contents = written::contents(&facts);
    let arrived: Vec<Arrived<'_>> = came.into_iter().filter_map(|row| Arrived::find(row, &contents)).collect();
    let write = async {
        // What is deleted went first: it may have come in again.
        let inserted = written::put(connection, &arrived, tables).await?;
        let written: HashSet<Uuid> = inserted.iter().map(|change| change.id).collect();
        let mut changes = deleted;
        changes.extend(inserted);
        changes.extend(written::update(connection, &marked).await?);
        counts::follow(connection, &changes).await?;
        let decided = decision::store(connection, &decisions.into_rows()).await?;
        let touched = links::link(connection, &facts, decided, tables).await?;
        threads::tell(connection, touched, &changes).await?;
        folder::store(connection, &folders.into_rows()).await?;
        draft::store(connection, &drafts.into_rows()).await?;
        submission::store(connection, &submissions.into_rows()).await?;
        attachment::store(connection, &uploads.into_rows()).await?;
        Ok::<_, ApplyFault>(written)
    };
    // While the database writes all this, the words of what came in are made here, and written by a second connection.
    let (written, words) = tokio::join!(write, words::prepare(second, &arrived));
    words.store(connection, &arrived, &written?).await?;
    gone::erase(connection, &erased).await
}
