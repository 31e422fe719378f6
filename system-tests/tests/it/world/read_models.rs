//! Read models as they are, and as a fresh fold of the log makes them.

use orbit_event_store::{Log, MasterKey, Vault};
use orbit_platform::{clock::Clock, postgres};
use orbit_projector::{ROLE, projections, runner};
use orbit_testing::eventually;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{KEY, SOON, World};

impl World {
    /// Waits until every partition of every projection has folded the whole log.
    pub async fn caught_up(&self) {
        let head = self.head().await;
        eventually(SOON, || async {
            let reached = "SELECT projection FROM view.checkpoints GROUP BY projection HAVING min(position) >= $1";
            let reached: Vec<String> = sqlx::query_scalar(reached)
                .bind(head)
                .fetch_all(self.database.pool())
                .await
                .map_err(|error| error.to_string())?;
            let behind = projections::ALL.len() - reached.len();
            if behind == 0 { Ok(()) } else { Err(format!("{behind} projections are behind {head}")) }
        })
        .await;
    }

    /// Everything in all read models of a schema.
    pub async fn dump(&self, schema: &str) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for table in projections::ALL.iter().flat_map(|projection| projection.tables) {
            let sql = format!(
                "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]') FROM {schema}.{table} t"
            );
            let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(self.database.pool()).await.unwrap();
            all.push(((*table).to_owned(), rows));
        }
        all
    }

    /// Folds the log from its beginning into tables of a schema of their own.
    pub async fn fold_into(&self, schema: &'static str) {
        let tables = projections::ALL.iter().flat_map(|projection| projection.tables).chain(&["checkpoints", "parked"]);
        let tables: Vec<String> =
            tables.map(|table| format!("CREATE TABLE {schema}.{table} (LIKE view.{table} INCLUDING ALL);")).collect();
        let tables = tables.concat();
        let sql =
            format!("BEGIN; CREATE SCHEMA {schema} AUTHORIZATION {ROLE}; SET LOCAL ROLE {ROLE}; {tables} COMMIT;");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.database.pool()).await.unwrap();
        let path = format!("{schema},public");
        let pool = postgres::connect_as(&self.settings.database, "fold", Some(&path), ROLE).await.unwrap();
        let vault = Vault::new(pool.clone(), &MasterKey::new(KEY), Clock::system());
        runner::catch_up(&pool, &Log::new(pool.clone()), &vault, projections::ALL).await.unwrap();
    }

    /// Everything about a user in the read models: table and number of rows.
    pub async fn rows_of(&self, user: uuid::Uuid) -> Vec<(String, i64)> {
        let mut all = Vec::new();
        for table in projections::ALL.iter().flat_map(|projection| projection.tables) {
            let sql = format!("SELECT count(*) FROM view.{table} t WHERE to_jsonb(t)::text LIKE '%' || $1 || '%'");
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(user.to_string())
                .fetch_one(self.database.pool())
                .await
                .unwrap();
            all.push(((*table).to_owned(), count));
        }
        all.retain(|(_, rows)| *rows > 0);
        all
    }
}
