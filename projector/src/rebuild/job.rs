//! The job: the row that says what a rebuild was asked for and how far it is.

use std::time::Duration;

use orbit_platform::{clock::Clock, postgres::Pool};
use serde_json::Value;
use sqlx::{PgConnection, types::Json};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Difference, Fault, Progress, named};
use crate::projection::Registered;

/// How often the row is told how far it is, and asked whether somebody wants it to stop.
const TELL: Duration = Duration::from_millis(500);

/// A rebuild that this process works on.
pub struct Job {
    pub id: Uuid,
    pub workers: i16,
    pub verify: bool,
    projections: Vec<String>,
    origin: Option<String>,
    pool: Pool,
    clock: Clock,
}

impl Job {
    /// Takes up a rebuild that has not ended.
    pub async fn take(pool: &Pool, id: Uuid, clock: &Clock) -> Result<Self, Fault> {
        let row = sqlx::query!(
            "UPDATE work.rebuilds SET started_at = coalesce(started_at, $2), updated_at = $2, error = NULL
             WHERE id = $1 AND finished_at IS NULL RETURNING projections, workers, verify, origin",
            id,
            clock.now()
        )
        .fetch_optional(pool)
        .await
        .map_err(Fault::database("take up a rebuild"))?
        .ok_or(Fault::NoSuchRebuild(id))?;
        Ok(Self {
            id,
            workers: row.workers,
            verify: row.verify,
            projections: row.projections,
            origin: row.origin,
            pool: pool.clone(),
            clock: clock.clone(),
        })
    }

    /// The projections that it fills.
    pub fn chosen(&self) -> Result<Vec<&'static Registered>, Fault> {
        Ok(named(&self.projections)?)
    }

    /// Whether tables are there already that are made from the same log by the same code.
    pub fn goes_on(&self, origin: &str) -> bool {
        self.origin.as_deref() == Some(origin)
    }

    /// Tells the row how far it is, until somebody asks the rebuild to stop.
    pub async fn keep_told(&self, mut progress: watch::Receiver<Progress>) {
        loop {
            tokio::time::sleep(TELL).await;
            let now = *progress.borrow_and_update();
            #[expect(clippy::cast_precision_loss, reason = "a gauge forgives the last bits of a large number")]
            metrics::gauge!("orbit_rebuild_backlog_events").set((now.target - now.position).max(0) as f64);
            match self.tell(now).await {
                Ok(false) => {}
                Ok(true) => return,
                // The work itself will meet the same fault, and tell.
                Err(error) => tracing::debug!(%error, "could not write down how far a rebuild is"),
            }
        }
    }

    /// Whether it is to stop.
    async fn tell(&self, now: Progress) -> sqlx::Result<bool> {
        let cancel = sqlx::query_scalar!(
            "UPDATE work.rebuilds SET state = $2, position = $3, target = $4, facts = $5, updated_at = $6
             WHERE id = $1 AND finished_at IS NULL RETURNING cancel",
            self.id,
            now.step.name(),
            now.position,
            now.target,
            now.facts,
            self.clock.now()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(cancel.unwrap_or(false))
    }

    /// Ends the job with the transaction that puts its tables in place.
    pub async fn complete(
        &self,
        connection: &mut PgConnection,
        now: Progress,
        differences: Option<&[Difference]>,
    ) -> Result<(), Fault> {
        let differences = differences.map(|found| Json(found.iter().map(Difference::to_json).collect::<Vec<Value>>()));
        sqlx::query!(
            "UPDATE work.rebuilds SET state = 'complete', position = $2, target = $2, facts = $3, differences = $4,
                                      error = NULL, updated_at = $5, finished_at = $5
             WHERE id = $1",
            self.id,
            now.position,
            now.facts,
            differences as Option<Json<Vec<Value>>>,
            self.clock.now()
        )
        .execute(connection)
        .await
        .map_err(Fault::database("end a rebuild"))?;
        Ok(())
    }

    /// Ends the job without result.
    pub async fn end(&self, state: &'static str, error: Option<&str>) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.rebuilds SET state = $2, error = $3, updated_at = $4, finished_at = $4
             WHERE id = $1 AND finished_at IS NULL",
            self.id,
            state,
            error,
            self.clock.now()
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("end a rebuild"))?;
        Ok(())
    }

    /// Notes what went wrong with a rebuild that will be taken up again.
    pub async fn note(&self, error: &str) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.rebuilds SET state = 'queued', error = $2, updated_at = $3
             WHERE id = $1 AND finished_at IS NULL",
            self.id,
            error,
            self.clock.now()
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note why a rebuild rests"))?;
        Ok(())
    }
}
