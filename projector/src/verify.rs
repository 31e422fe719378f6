//! Read models held to the log, for `orbit verify`: as many activities as facts, and no checkpoint ahead.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::runner::Fault;

/// Users looked at in one statement.
const PAGE: i64 = 500;
/// Users who are told one by one; further ones are counted.
const TOLD: usize = 20;

/// What was compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Users with facts.
    pub users: i64,
    /// Activities of all of them.
    pub activities: i64,
    /// Users whose activities are not their facts, at most twenty.
    pub different: Vec<Different>,
    /// How many more there are.
    pub more: u64,
}

/// A user whose activities are not their facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Different {
    /// Who.
    pub user_id: Uuid,
    /// Facts up to the checkpoint of the user's partition, but for those that are parked.
    pub facts: i64,
    /// Activities.
    pub activities: i64,
    /// The first position that one has and the other has not.
    pub position: Option<i64>,
}

/// Counts each user's facts and activities. Rows and checkpoint commit together (invariant 4), and each page is one
/// statement: they fit in every snapshot, whatever projectors do meanwhile.
pub async fn activities(connection: &mut PgConnection, mut progress: impl FnMut(i64)) -> Result<Compared, Fault> {
    let (mut compared, mut after) = (Compared::default(), Uuid::nil());
    loop {
        // Users one after the other along the index, not by reading all of it.
        let rows = sqlx::query!(
            r#"WITH RECURSIVE page AS (
                   (SELECT user_id, partition, 1::bigint AS n FROM log.events WHERE user_id > $1
                    ORDER BY user_id, position LIMIT 1)
                   UNION ALL
                   SELECT next.user_id, next.partition, page.n + 1 FROM page CROSS JOIN LATERAL (
                       SELECT e.user_id, e.partition FROM log.events e WHERE e.user_id > page.user_id
                       ORDER BY e.user_id, e.position LIMIT 1) next
                   WHERE page.n < $2)
               SELECT p.user_id AS "user_id!",
                      (SELECT count(*) FROM log.events e WHERE e.user_id = p.user_id AND e.position <= k.upto)
                          - (SELECT count(*) FROM parked x WHERE x.projection = 'activities' AND x.user_id = p.user_id
                             AND x.position <= k.upto) AS "facts!",
                      (SELECT count(*) FROM activities a WHERE a.user_id = p.user_id) AS "activities!"
               FROM page p CROSS JOIN LATERAL (
                   SELECT coalesce((SELECT c.position FROM checkpoints c
                                    WHERE c.projection = 'activities' AND c.partition = p.partition), 0) AS upto) k
               ORDER BY p.user_id LIMIT $2"#,
            after,
            PAGE
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::database("compare activities with facts"))?;
        for row in &rows {
            compared.users += 1;
            compared.activities += row.activities;
            if row.facts == row.activities {
                continue;
            }
            if compared.different.len() == TOLD {
                compared.more += 1;
                continue;
            }
            let position = first_difference(connection, row.user_id).await?;
            let (user_id, facts, activities) = (row.user_id, row.facts, row.activities);
            compared.different.push(Different { user_id, facts, activities, position });
        }
        progress(compared.users);
        match rows.last() {
            Some(last) if i64::try_from(rows.len()) == Ok(PAGE) => after = last.user_id,
            _ => break,
        }
    }
    for user_id in strangers(connection).await? {
        let position = first_difference(connection, user_id).await?;
        compared.different.push(Different { user_id, facts: 0, activities: 1, position });
    }
    Ok(compared)
}

/// The first fact of a user without activity, or activity without fact.
async fn first_difference(connection: &mut PgConnection, user: Uuid) -> Result<Option<i64>, Fault> {
    sqlx::query_scalar!(
        r#"SELECT min(coalesce(e.position, a.position))
           FROM (SELECT f.position, f.event_id FROM log.events f JOIN checkpoints c
                 ON c.projection = 'activities' AND c.partition = f.partition AND f.position <= c.position
                 WHERE f.user_id = $1 AND NOT EXISTS (
                     SELECT FROM parked x WHERE x.projection = 'activities' AND x.position = f.position)) e
           FULL JOIN (SELECT position, id FROM activities WHERE user_id = $1) a ON a.id = e.event_id
           WHERE e.position IS NULL OR a.position IS NULL"#,
        user
    )
    .fetch_one(connection)
    .await
    .map_err(Fault::database("find the first difference between facts and activities"))
}

/// Users who have activities and no fact, a few of them.
async fn strangers(connection: &mut PgConnection) -> Result<Vec<Uuid>, Fault> {
    sqlx::query_scalar!(
        r#"WITH RECURSIVE users AS (
               (SELECT user_id FROM activities ORDER BY user_id LIMIT 1)
               UNION ALL
               SELECT (SELECT a.user_id FROM activities a WHERE a.user_id > u.user_id ORDER BY a.user_id LIMIT 1)
               FROM users u WHERE u.user_id IS NOT NULL)
           SELECT u.user_id AS "user_id!" FROM users u
           WHERE u.user_id IS NOT NULL AND NOT EXISTS (SELECT FROM log.events e WHERE e.user_id = u.user_id)
           ORDER BY u.user_id LIMIT 20"#
    )
    .fetch_all(connection)
    .await
    .map_err(Fault::database("look for activities without facts"))
}

/// A checkpoint ahead of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// The projection.
    pub projection: String,
    /// Its partition.
    pub partition: i16,
    /// Where it says to be.
    pub position: i64,
}

/// Checkpoints beyond the log's head: such a read model belongs to another log.
pub async fn ahead(connection: &mut PgConnection) -> Result<Vec<Ahead>, Fault> {
    sqlx::query_as!(
        Ahead,
        "SELECT projection, partition, position FROM checkpoints WHERE position > (SELECT h.position FROM log.head h)
         ORDER BY projection, partition LIMIT 100"
    )
    .fetch_all(connection)
    .await
    .map_err(Fault::database("look for checkpoints ahead of the log"))
}
