//! `GET /tasks/statistics`: how much is open, how much gets done, and how long it takes.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use orbit_platform::{
    http::{
        openapi::parsed,
        query::{self, Query},
    },
    problem::ApiError,
};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Tasks,
    view::{PRIORITIES, STATUSES},
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::users::zone::{self, Zone},
};

/// Days told when nobody says how many.
const DAYS_DEFAULT: u16 = 30;
/// Days told at most: a leap year.
const DAYS_AT_MOST: u16 = 366;

/// How the caller's tasks are. Those in the trash do not count.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = TaskStatistics, example = json!(parsed(r#"{
    "time_zone": "Europe/Berlin", "today": "2026-11-22", "open": 12, "overdue": 2, "due_today": 3, "completed": 40,
    "completed_per_day": [{"date": "2026-11-21", "count": 4}, {"date": "2026-11-22", "count": 1}],
    "lead_time": {"tasks": 5, "median_s": 7200.0, "average_s": 9000.5},
    "by_status": {"backlog": 4, "open": 6, "in_progress": 1, "waiting": 1, "done": 40, "pending": 0, "dismissed": 2},
    "by_priority": {"low": 2, "medium": 8, "high": 2},
    "by_list": [{"list_id": "0197f0a0-0000-7000-8000-0000000000a1", "name": "Today", "open": 3, "done": 9}]
}"#)))]
pub struct Statistics {
    /// The zone in which days are cut.
    pub time_zone: &'static str,
    /// The day in that zone.
    pub today: NaiveDate,
    /// Tasks to be done: any status but done, dismissed, and pending (suggested, not yet accepted).
    pub open: i64,
    /// Those of them that were due before today.
    pub overdue: i64,
    /// Those of them that are due today.
    pub due_today: i64,
    /// Tasks that are done.
    pub completed: i64,
    /// How many were done on each of the last days, oldest first, today last.
    pub completed_per_day: Vec<Day>,
    /// How long tasks took that were done on these days.
    pub lead_time: LeadTime,
    /// How many tasks there are of each status.
    #[schema(value_type = BTreeMap<String, i64>)]
    pub by_status: BTreeMap<&'static str, i64>,
    /// How many of the open ones there are of each priority.
    #[schema(value_type = BTreeMap<String, i64>)]
    pub by_priority: BTreeMap<&'static str, i64>,
    /// The lists in the order of the board, at most 200.
    pub by_list: Vec<InList>,
}

/// A day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TasksCompletedOnDay, example = json!(parsed(r#"{"date": "2026-11-22", "count": 4}"#)))]
pub struct Day {
    /// The day in the caller's zone.
    pub date: NaiveDate,
    /// Tasks that were done on it.
    pub count: i64,
}

/// From written down to done.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = TaskLeadTime, example = json!(parsed(r#"{"tasks": 5, "median_s": 7200.0, "average_s": 9000.5}"#)))]
pub struct LeadTime {
    /// How many tasks it is taken from.
    pub tasks: i64,
    /// Half of them took at most so many seconds; null if there are none.
    pub median_s: Option<f64>,
    /// What they took on average, in seconds; null if there are none.
    pub average_s: Option<f64>,
}

/// A list's share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TasksInList, example = json!(parsed(r#"{"list_id": "0197f0a0-0000-7000-8000-0000000000a1", "name": "Today", "open": 3, "done": 9}"#)))]
pub struct InList {
    /// The list.
    pub list_id: Uuid,
    /// What it is called.
    pub name: String,
    /// Its tasks to be done.
    pub open: i64,
    /// Its tasks that are done.
    pub done: i64,
}

struct Row {
    as_of: i64,
    overdue: i64,
    due_today: i64,
    by_status: Json<BTreeMap<String, i64>>,
    by_priority: Json<BTreeMap<String, i64>>,
    per_day: Json<BTreeMap<String, i64>>,
    lead_tasks: i64,
    lead_median_s: Option<f64>,
    lead_average_s: Option<f64>,
    by_list: Json<Vec<InList>>,
}

/// How the caller's tasks are, in the caller's time zone.
#[utoipa::path(
    get, path = "/tasks/statistics", tag = "tasks", operation_id = "get_task_statistics",
    params(("days" = Option<u16>, Query, minimum = 1, maximum = 366, description = "How many days to tell of, up to today; 30 if not given")),
    responses((status = 200, description = "The statistics", body = Statistics))
)]
pub async fn get(reader: Reader<Tasks>, mut query: Query) -> Result<Snapshot<Statistics>, ApiError> {
    let days = query.value("days", |text| match query::number(text).ok().and_then(|days| u16::try_from(days).ok()) {
        Some(days @ 1..=DAYS_AT_MOST) => Ok(days),
        _ => Err(("invalid", format!("a whole number from 1 to {DAYS_AT_MOST} is expected"))),
    });
    query.finish()?;
    let zone = zone::of_caller(&reader).await?;
    let today = zone.day(reader.now());
    let days = Zone::days_up_to(today, days.unwrap_or(DAYS_DEFAULT));
    // Each day begins where the one before ends; the last one ends where tomorrow begins.
    let mut begins: Vec<DateTime<Utc>> = days.iter().map(|day| zone.begin(*day)).collect();
    begins.extend(today.succ_opt().map(|tomorrow| zone.begin(tomorrow)));
    let begins = &begins;
    let row = reader.ask(|mut db, whose| async move { ask(&mut db, whose, today, begins).await }).await?;
    Ok(row.map(|row| tell(row, zone, &days)))
}

async fn ask(
    db: &mut PgConnection,
    whose: Whose,
    today: NaiveDate,
    begins: &[DateTime<Utc>],
) -> sqlx::Result<Snapshot<Row>> {
    let row = sqlx::query_as!(
        Row,
        r#"WITH mine AS MATERIALIZED (
               SELECT t.status, t.priority, t.list_id, t.due_date, t.created_at, t.completed_at,
                      t.status NOT IN ('done', 'dismissed', 'pending') AS is_open
               FROM tasks t WHERE t.user_id = $2 AND t.deleted_at IS NULL
           ), done AS (
               SELECT width_bucket(m.completed_at, $4::timestamptz[]) AS day,
                      extract(epoch FROM m.completed_at - m.created_at)::float8 AS took_s
               FROM mine m WHERE m.status = 'done' AND m.completed_at >= $4[1] AND m.completed_at < $4[cardinality($4)]
           )
           SELECT coalesce((SELECT k.position FROM checkpoints k
                            WHERE k.projection = 'tasks' AND k.partition = $1), 0) AS "as_of!",
                  (SELECT count(*) FROM mine m WHERE m.is_open AND m.due_date < $3) AS "overdue!",
                  (SELECT count(*) FROM mine m WHERE m.is_open AND m.due_date = $3) AS "due_today!",
                  coalesce((SELECT jsonb_object_agg(s.status, s.tasks)
                   FROM (SELECT m.status, count(*) AS tasks FROM mine m GROUP BY m.status) s), '{}')
                      AS "by_status!: Json<BTreeMap<String, i64>>",
                  coalesce((SELECT jsonb_object_agg(p.priority, p.tasks) FROM (
                       SELECT m.priority::text AS priority, count(*) AS tasks FROM mine m WHERE m.is_open GROUP BY 1) p), '{}')
                      AS "by_priority!: Json<BTreeMap<String, i64>>",
                  coalesce((SELECT jsonb_object_agg(d.day, d.tasks)
                   FROM (SELECT done.day::text AS day, count(*) AS tasks FROM done GROUP BY 1) d), '{}')
                      AS "per_day!: Json<BTreeMap<String, i64>>",
                  (SELECT count(*) FROM done) AS "lead_tasks!",
                  (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY done.took_s) FROM done) AS lead_median_s,
                  (SELECT avg(done.took_s) FROM done) AS lead_average_s,
                  coalesce((SELECT jsonb_agg(jsonb_build_object('list_id', l.id, 'name', l.name, 'open', l.open, 'done', l.done)
                                             ORDER BY l.position, l.id)
                   FROM (SELECT l.id, l.name, l.position,
                                (SELECT count(*) FROM mine m WHERE m.list_id = l.id AND m.is_open) AS open,
                                (SELECT count(*) FROM mine m WHERE m.list_id = l.id AND m.status = 'done') AS done
                         FROM task_lists l WHERE l.user_id = $2 ORDER BY l.position, l.id LIMIT 200) l), '[]')
                      AS "by_list!: Json<Vec<InList>>"
           LIMIT 1"#,
        whose.partition,
        whose.user_id,
        today,
        begins
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row })
}

fn tell(row: Row, zone: Zone, days: &[NaiveDate]) -> Statistics {
    let Row { by_status, by_priority, per_day, by_list, .. } = row;
    let by_status: BTreeMap<_, _> =
        STATUSES.iter().map(|status| (*status, by_status.get(*status).copied().unwrap_or(0))).collect();
    let numbered = PRIORITIES.iter().zip(1..);
    let by_priority: BTreeMap<_, _> = numbered
        .map(|(priority, number): (_, u8)| (*priority, by_priority.get(&number.to_string()).copied().unwrap_or(0)))
        .collect();
    let count = |bucket: usize| per_day.get(&bucket.to_string()).copied().unwrap_or(0);
    Statistics {
        time_zone: zone.name(),
        today: days.last().copied().unwrap_or_default(),
        open: by_priority.values().sum(),
        overdue: row.overdue,
        due_today: row.due_today,
        completed: by_status.get("done").copied().unwrap_or(0),
        completed_per_day: days
            .iter()
            .zip(1..)
            .map(|(date, bucket)| Day { date: *date, count: count(bucket) })
            .collect(),
        lead_time: LeadTime { tasks: row.lead_tasks, median_s: row.lead_median_s, average_s: row.lead_average_s },
        by_status,
        by_priority,
        by_list: by_list.0,
    }
}
