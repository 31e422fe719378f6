//! `GET /{resource}/{id}/history`: what happened to one thing, each fact with what it changed. One line per aggregate.

use std::ops::RangeInclusive;

use orbit_domain::{Aggregate, emails, tasks, users};
use orbit_events::Fact as _;
use orbit_platform::{
    http::{
        page::{Page, PageRequest},
        path::PathId,
        query::{Query, Sort},
    },
    problem::ApiError,
};
use serde_json::json;
use sqlx::PgConnection;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{History, causes, changes, view::Entry};
use crate::{
    answer::Snapshot,
    app::Reads,
    reader::{Reader, Whose},
    routes::fixed,
};

/// How the history of one thing is cut.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct EntryParameters {
    /// `-version` (newest first, the default) or `version`
    #[param(example = "-version", nullable = false)]
    sort: Option<String>,
    /// The most facts on the page
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same sort
    #[param(nullable = false)]
    cursor: Option<String>,
}

macro_rules! histories {
    ($( $name:ident: $aggregate:ty = $path:literal $tag:literal $operation:literal $summary:literal; )+) => {
        $( mod $name {
            use super::*;

            #[utoipa::path(
                get, path = $path, tag = $tag, operation_id = $operation, summary = $summary,
                params(("id" = Uuid, Path, description = "Its id"), EntryParameters),
                responses((status = 200, description = "A page of facts with what each changed", body = Page<Entry>))
            )]
            pub async fn history(
                reader: Reader<History>,
                PathId(id): PathId,
                query: Query,
            ) -> Result<Snapshot<Page<Entry>>, ApiError> {
                of::<$aggregate>(&reader, id, query).await
            }
        } )+

        /// Whose histories can be read.
        #[cfg(test)]
        const TOLD: &[&str] = &[category::<users::User>()$( , category::<$aggregate>() )+];

        /// The routes.
        pub fn router() -> OpenApiRouter<Reads> {
            OpenApiRouter::new().routes(routes!(of_me))$( .routes(routes!($name::history)) )+
        }
    };
}

histories! {
    // One line per aggregate.
    task: tasks::Task = "/tasks/{id}/history" "tasks" "get_task_history"
        "What happened to a task, newest first, and what each fact changed.";
    list: tasks::List = "/task-lists/{id}/history" "task-lists" "get_task_list_history"
        "What happened to a list, newest first, and what each fact changed.";
    label: tasks::Label = "/labels/{id}/history" "labels" "get_label_history"
        "What happened to a label, newest first, and what each fact changed.";
    device: users::Login = "/auth/devices/{id}/history" "auth" "get_device_history"
        "What happened to a login, newest first, and what each fact changed. Also of one that has ended.";
    token: users::ApiToken = "/auth/tokens/{id}/history" "auth" "get_token_history"
        "What happened to an API token, newest first, and what each fact changed. Also of one that was revoked.";
    connection: users::Connection = "/connections/{id}/history" "connections" "get_connection_history"
        "What happened to a connection, newest first, and what each fact changed. Also of one that was removed.";
    email: emails::Email = "/emails/{id}/history" "emails" "get_email_history"
        "What happened to an e-mail, newest first, and what each fact changed. Also of one that was deleted.";
    draft: emails::Draft = "/emails/drafts/{id}/history" "emails" "get_draft_history"
        "What happened to a draft, newest first, and what each fact changed. Also of one that was discarded.";
    submission: emails::Submission = "/emails/submissions/{id}/history" "emails" "get_submission_history"
        "What happened to what is sent, newest first, and what each fact changed.";
    decision: emails::Thread = "/emails/thread-decisions/{id}/history" "emails" "get_thread_decision_history"
        "What happened to a decision about threads, newest first, and what each fact changed.";
    folder: emails::Folder = "/emails/folders/{id}/history" "emails" "get_folder_history"
        "What happened to a folder, newest first, and what each fact changed. Also of one that was removed.";
    attachment: emails::Attachment = "/emails/attachments/{id}/history" "emails" "get_attachment_history"
        "What happened to an upload, newest first, and what each fact changed. Also of one that was discarded.";
}

/// What happened to the caller's account, newest first, and what each fact changed.
#[utoipa::path(
    get, path = "/auth/me/history", tag = "auth", operation_id = "get_account_history", params(EntryParameters),
    responses((status = 200, description = "A page of facts with what each changed", body = Page<Entry>))
)]
pub async fn of_me(reader: Reader<History>, query: Query) -> Result<Snapshot<Page<Entry>>, ApiError> {
    // The account's stream has the user's own id.
    of::<users::User>(&reader, reader.whose().user_id, query).await
}

async fn of<A: Aggregate>(
    reader: &Reader<History>,
    id: Uuid,
    mut query: Query,
) -> Result<Snapshot<Page<Entry>>, ApiError> {
    let sort = query.sort(&["version"], "-version");
    let page = fixed::uncounted(&mut query, reader.cursors(), &sort);
    query.finish()?;
    let after = page.after.as_ref().map(|after| after.get(0)).transpose()?;
    let category = A::Event::CATEGORY;
    let found = reader.ask(|mut db, whose| async move { newest(&mut db, whose, id, category).await }).await?;
    let Snapshot { as_of, body: newest } = found.found()?;
    let versions = versions(&page, &sort, after, newest);
    let mut entries = changes::entries::<A>(reader.reads(), id, versions).await?;
    if is_descending(&sort) {
        entries.reverse();
    }
    let mut page = page.page(entries, None, |entry| vec![json!(entry.entity_version), json!(entry.fact.id)]);
    name_causes(reader, &mut page.data).await?;
    Ok(Snapshot { as_of, body: page })
}

fn is_descending(sort: &Sort) -> bool {
    sort.keys.iter().all(|key| key.descending)
}

/// The versions that are read for a page: one more than it holds, if there is one.
fn versions(page: &PageRequest, sort: &Sort, after: Option<i64>, newest: i64) -> RangeInclusive<i64> {
    if is_descending(sort) {
        let last = after.map_or(newest, |after| newest.min(after.saturating_sub(1)));
        last.saturating_sub(page.fetch() - 1).max(1)..=last
    } else {
        let first = after.unwrap_or(0).max(0).saturating_add(1);
        first..=newest.min(first.saturating_add(page.fetch() - 1))
    }
}

/// The newest version of a stream, if it is the caller's and of this category; nothing if the caller was erased.
async fn newest(
    db: &mut PgConnection,
    whose: Whose,
    id: Uuid,
    category: &'static str,
) -> sqlx::Result<Snapshot<Option<i64>>> {
    let row = sqlx::query!(
        r#"SELECT h.position AS as_of, s.version AS "version?"
           FROM log.head h
           LEFT JOIN log.streams s ON s.stream_id = $2 AND s.user_id = $1 AND s.category = $3
               AND NOT EXISTS (SELECT FROM log.events x WHERE x.stream_id = $1 AND x.type = 'users.erased')
           LIMIT 1"#,
        whose.user_id,
        id,
        category
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.version })
}

/// Says of the causes that are the caller's own facts which ones they are.
async fn name_causes(reader: &Reader<History>, entries: &mut [Entry]) -> Result<(), ApiError> {
    let ids: Vec<Uuid> = entries.iter().filter_map(|entry| entry.fact.causation_id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let ids = &ids;
    let found = reader.ask(|mut db, whose| async move {
        let causes = causes::find(&mut db, whose, ids).await?;
        // The page has been read already: this adds to it, from no earlier moment.
        Ok(Snapshot { as_of: i64::MAX, body: causes })
    });
    let known = found.await?.body;
    for cause in entries.iter_mut().filter_map(|entry| entry.cause.fact.as_mut()) {
        if let Some(found) = known.get(&cause.id) {
            cause.clone_from(found);
        }
    }
    Ok(())
}

#[cfg(test)]
const fn category<A: Aggregate>() -> &'static str {
    A::Event::CATEGORY
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_aggregate_has_a_history() {
        let told: BTreeSet<_> = TOLD.iter().collect();
        assert_eq!(told, orbit_events::Event::CATEGORIES.iter().collect());
    }
}
