//! `GET /activities/search?q=`: activities by the words of their sentences, newest first.
//!
//! The user's activities are walked from the newest on, in their index by position alone: a filter in it
//! ([`Trigrams`]) stops most of those that lack a word, and only what passes is looked at.

use orbit_domain::activities::Trigrams;
use orbit_platform::{
    http::{
        openapi::parsed,
        page::{Page, PageRequest},
        query::{Query, Sort, SortKey},
    },
    problem::ApiError,
};
use serde::Serialize;
use serde_json::json;
use sqlx::{FromRow, PgConnection, Row as _};
use utoipa::ToSchema;

use super::{
    Activities,
    view::{Activity, COLUMNS, Row, STORED, WIDTH},
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::{
        fixed::{self, PageParameters},
        words::{self, Fragment},
    },
};

/// An activity that was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FoundActivity, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000aa", "type": "tasks.completed",
    "action_type": "tasks.completed", "version": 1, "position": 4711,
    "recorded_at": "2026-11-22T20:28:00Z", "actor": {"type": "user"},
    "entity": {"type": "task", "id": "0197f0a0-0000-7000-8000-000000000001"},
    "correlation_id": "0197f0a0-0000-7000-8000-0000000000ab", "causation_id": null,
    "data": {"completed_at": "2026-11-22T20:28:00Z"}, "description": "Completed task \"Buy milk\"", "session_id": null,
    "highlights": {"description": [{"text": "Completed task \"Buy ", "hit": false}, {"text": "milk", "hit": true}, {"text": "\"", "hit": false}]}
}"#)))]
pub struct Found {
    /// The activity itself.
    #[serde(flatten)]
    pub activity: Activity,
    /// Where the words stand.
    pub highlights: Highlights,
}

/// Where the words stand.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ActivityHighlights, example = json!(parsed(r#"{
    "description": [{"text": "Completed task \"Buy ", "hit": false}, {"text": "milk", "hit": true}, {"text": "\"", "hit": false}]
}"#)))]
pub struct Highlights {
    /// The whole sentence, in pieces.
    pub description: Vec<Fragment>,
}

/// Searches the sentences of activities, newest first.
#[utoipa::path(
    get, path = "/activities/search", tag = "activities", operation_id = "search_activities",
    params(
        ("q" = String, Query, max_length = 500, example = "milk", description = "All of these words, \"phrases\", or, -not; the last one may be the beginning of a word"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of activities, newest first", body = Page<Found>))
)]
pub async fn get(reader: Reader<Activities>, mut query: Query) -> Result<Snapshot<Page<Found>>, ApiError> {
    let words = words::required(&mut query);
    let sort = Sort { keys: vec![SortKey { column: "position", descending: true }] };
    let page = fixed::uncounted(&mut query, reader.cursors(), &sort);
    query.finish()?;
    let Some(words) = words else { return Err(words::nothing_to_search_for()) };
    let after = page.after.as_ref().map(|after| after.get::<i64>(0)).transpose()?;
    let (words, page) = (&words, &page);
    reader.ask(|mut db, whose| async move { search(&mut db, whose, words, after, page).await }).await
}

async fn search(
    db: &mut PgConnection,
    whose: Whose,
    words: &str,
    after: Option<i64>,
    page: &PageRequest,
) -> sqlx::Result<Snapshot<Page<Found>>> {
    let matching = words::matching("$1");
    let query: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT {matching}::text")))
        .bind(words)
        .fetch_one(&mut *db)
        .await?;
    let wanted = Trigrams::wanted(&query);
    let sentence = words::cut("a.description", "a.query", "HighlightAll=true");
    // The server plans once for all values: what may be absent would be looked for in everything newer.
    let older = if after.is_some() { "p.position < $4" } else { "$4::bigint IS NULL" };
    // The first limit limits nothing: with it the server walks in the order of the index and does not sort. By the second
    // a row is looked at for one position after the other, so that the walk ends with the page.
    let statement = format!(
        "SELECT {COLUMNS}, {sentence}
         FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                WHERE k.projection = 'activities' AND k.partition = $1), 0) AS as_of) c
         LEFT JOIN LATERAL (
             SELECT a.* FROM (
                 SELECT p.position, p.trigrams_low, p.trigrams_high FROM activities p
                 WHERE p.user_id = $2 AND {older} ORDER BY p.position DESC LIMIT $8) p
             CROSS JOIN LATERAL (
                 SELECT {STORED}, q.query FROM (SELECT $3::tsquery AS query) q, activities a
                 WHERE a.user_id = $2 AND a.position = p.position AND to_tsvector('simple', a.description) @@ q.query
                 LIMIT 1) a
             WHERE p.trigrams_low & $6 = $6 AND p.trigrams_high & $7 = $7
             ORDER BY p.position DESC LIMIT $5) a ON true
         ORDER BY a.position DESC"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(whose.partition)
        .bind(whose.user_id)
        .bind(query)
        .bind(after)
        .bind(page.fetch())
        .bind(wanted.low)
        .bind(wanted.high)
        .bind(i64::MAX)
        .fetch_all(db)
        .await?;
    let mut as_of = 0;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let Row { as_of: seen, activity } = Row::from_row(row)?;
        as_of = seen;
        if let Some(activity) = activity {
            let description = words::fragments(row.try_get(WIDTH)?);
            found.push(Found { activity, highlights: Highlights { description } });
        }
    }
    let page = page.page(found, None, |found| vec![json!(found.activity.position), json!(found.activity.id)]);
    Ok(Snapshot { as_of, body: page })
}
