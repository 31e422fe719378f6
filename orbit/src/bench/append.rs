//! Append: commands through `transact` (rules, sealing, claims, one fact of about 400 bytes, a new stream each) against
//! plain one-row inserts by as many callers on the same server.

use orbit_platform::{ids, postgres::Pool};
use serde_json::json;

use super::{
    Effort, Report,
    report::median,
    scratch::{Scratch, Writer},
    work::{AsyncCall, Measured, load},
};

/// Connections of the yardstick when there are more callers than that; `PostgreSQL` gains nothing from more.
const CONNECTIONS: u32 = 64;
const USERS: usize = 64;

pub async fn run(effort: Effort) -> anyhow::Result<Report> {
    let scratch = Scratch::start(CONNECTIONS).await?;
    sqlx::raw_sql(
        "CREATE SCHEMA bench;
         CREATE TABLE bench.plain (
             id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream uuid NOT NULL, version bigint NOT NULL,
             data jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now(), UNIQUE (stream, version))",
    )
    .execute(&scratch.pool)
    .await?;
    let store = scratch.store().await?;
    let users = scratch.users(&store, USERS).await?;
    let mut report = Report::default();
    for callers in [1, 32, 256] {
        let (mut plain, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            plain.push(load(callers, effort.time, |_| Plain(scratch.pool.clone())).await?);
            ours.push(load(callers, effort.time, |n| Command(Writer::new(&store, users[n % USERS]))).await?);
        }
        let of = |runs: &[Measured], pick: fn(&Measured) -> f64| median(runs.iter().map(pick).collect());
        let ratios = plain.iter().zip(&ours).map(|(plain, ours)| ours.per_s / plain.per_s).collect();
        report.add(format!("append_{callers}_ratio"), median(ratios));
        report.add(format!("append_{callers}_per_s"), of(&ours, |m| m.per_s));
        report.add(format!("append_{callers}_p50_ms"), of(&ours, |m| m.p50_ms));
        report.add(format!("append_{callers}_p99_ms"), of(&ours, |m| m.p99_ms));
        report.add(format!("plain_{callers}_per_s"), of(&plain, |m| m.per_s));
    }
    let (count, head): (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM log.events), (SELECT position FROM log.head)")
            .fetch_one(&scratch.pool)
            .await?;
    anyhow::ensure!(count == head, "{count} facts but the head is at {head}");
    drop(store);
    scratch.stop().await?;
    Ok(report)
}

struct Command(Writer);

impl AsyncCall for Command {
    async fn call(&mut self) -> anyhow::Result<()> {
        self.0.write().await
    }
}

/// The yardstick: what one would write without Orbit.
struct Plain(Pool);

impl AsyncCall for Plain {
    async fn call(&mut self) -> anyhow::Result<()> {
        let data = json!({
            "list_id": ids::new_event_id(), "parent_id": null, "title": "Ask the printer for a second proof",
            "description": "The blue of the cover is too dark, and the spine is two millimetres off. Tell them by Thursday.",
            "priority": "medium", "status": "open", "due_date": null, "position": "V1jmC7aXq0Abcdef", "labels": [],
            "created_by": "user", "extracted_from": null,
        });
        sqlx::query("INSERT INTO bench.plain (stream, version, data) VALUES ($1, 1, $2)")
            .bind(ids::new_event_id())
            .bind(data)
            .execute(&self.0)
            .await?;
        Ok(())
    }
}
