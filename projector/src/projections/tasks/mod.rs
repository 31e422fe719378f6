//! The tasks projection: lists, tasks, labels.

mod label;
mod list;
mod task;

use orbit_events::{Recorded, tasks};
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows::{self, Gone, Removed, Row as _, column};
use crate::projection::{ApplyFault, Interest, Projection, Tables};

/// Folds facts about lists, tasks and labels; of the users it wants to know who was erased.
pub struct Tasks;

impl Projection for Tasks {
    const NAME: &'static str = "tasks";
    const VERSION: i32 = 1;
    const INTEREST: Interest = Interest::Some { categories: &["lists", "tasks", "labels"], types: &[rows::ERASED] };
    const TABLES: &'static [&'static str] = &["task_lists", "tasks", "labels", "tasks_removed"];

    async fn apply(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        fold(connection, facts, Tables::Serving).await
    }

    async fn fill(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        fold(connection, facts, Tables::Fresh).await
    }
}

async fn fold(connection: &mut PgConnection, facts: &[&Recorded], tables: Tables) -> Result<(), ApplyFault> {
    let erased = rows::erased(facts);
    let mut removed = find_removed(connection, facts).await?;
    removed.extend(erased.iter().map(|user| (user.id, user.version)));
    let facts: Vec<&Recorded> =
        facts.iter().filter(|fact| !removed.contains_key(&fact.envelope.user_id.0)).copied().collect();

    let lists = rows::fold::<list::Row>(connection, &facts, &removed).await?;
    let labels = rows::fold::<label::Row>(connection, &facts, &removed).await?;
    let mut tasks = rows::fold::<task::Row>(connection, &facts, &removed).await?;
    // A label is never made again under the same id, so it is gone from these tasks whichever fact came first.
    removed.extend(labels.gone.iter().map(|label| (label.id, label.version)));
    for task in tasks.new.iter_mut().chain(&mut tasks.changed) {
        task.labels.retain(|label| !removed.contains_key(label));
    }

    match tables {
        Tables::Serving => task::insert(connection, &tasks.new).await?,
        Tables::Fresh => task::copy(connection, &tasks.new).await?,
    }
    task::update(connection, &tasks.changed).await?;
    remove(connection, &lists.gone, &labels.gone).await?;
    list::store(connection, &lists.into_rows()).await?;
    label::store(connection, &labels.into_rows()).await?;
    erase(connection, &erased).await
}

/// Those of the lists, labels and users that these facts speak of that are no more.
async fn find_removed(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<Removed, ApplyFault> {
    let mut ids = rows::users(facts);
    for fact in facts {
        let Some(event) = fact.event() else { continue };
        if list::Row::pick(event).is_some() || label::Row::pick(event).is_some() {
            ids.insert(fact.envelope.stream_id);
        }
        if let Some(tasks::task::Event::Created(created)) = task::Row::pick(event) {
            ids.extend(created.labels.iter().map(|label| label.0));
        }
        if let Some(tasks::task::Event::Labelled(labelled)) = task::Row::pick(event) {
            ids.insert(labelled.label_id.0);
        }
    }
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows = sqlx::query!("SELECT id, version FROM tasks_removed WHERE id = ANY($1)", &ids)
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("look for what was removed"))?;
    Ok(rows.into_iter().map(|row| (row.id, row.version)).collect())
}

/// Removes lists and labels, and labels from all tasks that carry them.
async fn remove(connection: &mut PgConnection, lists: &[Gone], labels: &[Gone]) -> Result<(), ApplyFault> {
    if !lists.is_empty() {
        sqlx::query!("DELETE FROM task_lists WHERE id = ANY($1)", &rows::ids(lists))
            .execute(&mut *connection)
            .await
            .map_err(ApplyFault::database("remove lists"))?;
        remember(connection, lists).await?;
    }
    if !labels.is_empty() {
        let ids = rows::ids(labels);
        sqlx::query!("DELETE FROM labels WHERE id = ANY($1)", &ids)
            .execute(&mut *connection)
            .await
            .map_err(ApplyFault::database("remove labels"))?;
        sqlx::query!(
            "UPDATE tasks t SET labels = ARRAY(
                 SELECT l.id FROM unnest(t.labels) WITH ORDINALITY AS l (id, place)
                 WHERE l.id <> ALL($1) ORDER BY l.place)
             WHERE t.labels && $1 AND t.labels <> '{}'",
            &ids
        )
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("take removed labels off tasks"))?;
        remember(connection, labels).await?;
    }
    Ok(())
}

async fn remember(connection: &mut PgConnection, gone: &[Gone]) -> Result<(), ApplyFault> {
    sqlx::query!(
        "INSERT INTO tasks_removed (id, user_id, version) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
         ON CONFLICT (id) DO UPDATE SET version = greatest(tasks_removed.version, excluded.version)",
        &column(gone, |g| g.id),
        &column(gone, |g| g.user_id),
        &column(gone, |g| g.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("remember what was removed"))?;
    Ok(())
}

/// Removes all that users had who are to be forgotten.
async fn erase(connection: &mut PgConnection, erased: &[Gone]) -> Result<(), ApplyFault> {
    if erased.is_empty() {
        return Ok(());
    }
    let users = rows::ids(erased);
    // In two halves, because each has an index of its own.
    sqlx::query!("DELETE FROM tasks WHERE user_id = ANY($1) AND deleted_at IS NULL", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's tasks"))?;
    sqlx::query!("DELETE FROM tasks WHERE user_id = ANY($1) AND deleted_at IS NOT NULL", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's deleted tasks"))?;
    sqlx::query!("DELETE FROM task_lists WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's lists"))?;
    sqlx::query!("DELETE FROM labels WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's labels"))?;
    sqlx::query!("DELETE FROM tasks_removed WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("forget what a user had removed"))?;
    remember(connection, erased).await
}
