//! `GET /tasks/search?q=`: tasks by their words, the best first, with what was hit.

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
use uuid::Uuid;

use super::{
    Tasks,
    view::{COLUMNS, PROGRESS, Row, Task, WIDTH},
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::{
        fixed::{self, PageParameters},
        words::{self, Fragment},
    },
};

/// A task that was found.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = FoundTask, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-000000000001", "list_id": "0197f0a0-0000-7000-8000-0000000000a1", "parent_id": null,
    "title": "Buy milk", "description": null, "priority": "medium", "status": "open", "due_date": "2026-11-23",
    "completed_at": null, "position": "a0", "labels": [], "created_by": "user", "extracted_from": null,
    "dismiss_reason": null, "deleted_at": null, "created_at": "2026-11-22T20:28:00Z",
    "updated_at": "2026-11-22T20:28:00Z", "version": 1, "progress": {"done": 0, "total": 0}, "rank": 0.1,
    "highlights": {"title": [{"text": "Buy ", "hit": false}, {"text": "milk", "hit": true}], "description": []}
}"#)))]
pub struct Found {
    /// The task itself.
    #[serde(flatten)]
    pub task: Task,
    /// How well it fits: more is better. To be compared within one search only.
    pub rank: f32,
    /// Where the words stand.
    pub highlights: Highlights,
}

/// Where the words stand.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = TaskHighlights, example = json!(parsed(r#"{
    "title": [{"text": "Buy ", "hit": false}, {"text": "milk", "hit": true}], "description": []
}"#)))]
pub struct Highlights {
    /// The whole title, in pieces; what looks like markup (`<…>`) is left out.
    pub title: Vec<Fragment>,
    /// The passages of the description that were hit, in pieces, without what looks like markup; empty if none was.
    pub description: Vec<Fragment>,
}

/// Searches titles and descriptions. Without the tasks in the trash.
#[utoipa::path(
    get, path = "/tasks/search", tag = "tasks", operation_id = "search_tasks",
    params(
        ("q" = String, Query, max_length = 500, example = "milk", description = "All of these words, \"phrases\", or, -not; the last one may be the beginning of a word"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of tasks, the best first", body = Page<Found>))
)]
pub async fn get(reader: Reader<Tasks>, mut query: Query) -> Result<Snapshot<Page<Found>>, ApiError> {
    let words = words::required(&mut query);
    let sort = Sort { keys: vec![SortKey { column: "rank", descending: true }] };
    let page = fixed::uncounted(&mut query, reader.cursors(), &sort);
    query.finish()?;
    let Some(words) = words else { return Err(words::nothing_to_search_for()) };
    let after = match &page.after {
        Some(after) => Some((after.get::<f32>(0)?, after.get::<Uuid>(1)?)),
        None => None,
    };
    let (words, page) = (&words, &page);
    reader.ask(|mut db, whose| async move { search(&mut db, whose, words, after, page).await }).await
}

async fn search(
    db: &mut PgConnection,
    whose: Whose,
    words: &str,
    after: Option<(f32, Uuid)>,
    page: &PageRequest,
) -> sqlx::Result<Snapshot<Page<Found>>> {
    let (rank, id) = after.unzip();
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement()))
        .bind(whose.partition)
        .bind(whose.user_id)
        .bind(words)
        .bind(rank)
        .bind(id)
        .bind(page.fetch())
        .fetch_all(db)
        .await?;
    let as_of = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(task) = Row::from_row(row)?.task() else { continue };
        let (title, description): (String, String) = (row.try_get(WIDTH + 1)?, row.try_get(WIDTH + 2)?);
        // A cut of a description without a hit is its beginning: nothing to show.
        let description = Some(words::fragments(&description)).filter(|pieces| pieces.iter().any(|piece| piece.hit));
        let highlights = Highlights { title: words::fragments(&title), description: description.unwrap_or_default() };
        found.push(Found { task, rank: row.try_get(WIDTH)?, highlights });
    }
    Ok(Snapshot { as_of, body: page.page(found, None, |found| vec![json!(found.rank), json!(found.task.id)]) })
}

/// `$3` words, `$4` and `$5` rank and id of the last task of the page before, `$6` limit. What was hit is cut out for
/// the rows of the page only: it reads the whole text.
fn statement() -> String {
    let query = words::matching("$3");
    let title = words::cut("t.title", "t.query", "HighlightAll=true");
    let passages = "MaxFragments=2, MaxWords=20, MinWords=5, FragmentDelimiter=\" … \"";
    let description = words::cut("coalesce(t.description, '')", "t.query", passages);
    format!(
        "SELECT {COLUMNS}, t.rank, {title}, {description}
         FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                WHERE k.projection = 'tasks' AND k.partition = $1), 0) AS as_of) c
         LEFT JOIN LATERAL (
             SELECT * FROM (
                 SELECT t.id, t.list_id, t.parent_id, t.title, t.description, t.priority, t.status, t.due_date,
                        t.completed_at, t.position, t.labels, t.created_by, t.extracted_from_type, t.extracted_from_id,
                        t.dismiss_reason, t.deleted_at, t.created_at, t.updated_at, t.version,
                        ts_rank_cd(t.words, q.query) AS rank, q.query
                 FROM (SELECT {query} AS query) q, tasks t
                 WHERE t.user_id = $2 AND t.deleted_at IS NULL AND t.words @@ q.query
             ) t WHERE $4::real IS NULL OR (t.rank, t.id) < ($4, $5)
             ORDER BY t.rank DESC, t.id DESC LIMIT $6) t ON true
         {PROGRESS}
         ORDER BY t.rank DESC, t.id DESC"
    )
}
