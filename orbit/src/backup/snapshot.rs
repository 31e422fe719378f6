//! One moment of the database, held while its archives are written: they all show the log at the same position.

use anyhow::{Context, bail};
use orbit_platform::config::DatabaseArgs;
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::schema::{self, State};

/// The moment, and what the log was then. Ends with the value.
#[derive(Debug)]
pub struct Snapshot {
    connection: PgConnection,
    /// What `pg_dump --snapshot` wants.
    pub id: String,
    /// The newest fact.
    pub position: i64,
    /// The log's epoch.
    pub epoch: Uuid,
    /// The newest migration.
    pub schema: i64,
    /// Whom the tables belong to.
    pub owner: String,
    /// Major version of the server.
    pub server: u32,
    /// Whether facts speak of messages or files, which lie among the blobs.
    pub has_blobs: bool,
    /// Schemas whose rows are what users wrote, in the clear: all but the log, the vault and the list of migrations.
    pub readable: Vec<String>,
}

impl Snapshot {
    /// Takes it. Holds no lock that anybody waits for: writing goes on.
    pub async fn take(database: &DatabaseArgs) -> anyhow::Result<Self> {
        let mut connection = schema::connect(database, "orbit backup").await?;
        let attempted = "cannot hold a moment of the database";
        // A server may end transactions that do nothing for long; this one does nothing on purpose.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
                     SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL transaction_timeout = 0";
        sqlx::raw_sql(begin).execute(&mut connection).await.context(attempted)?;
        let there: bool = sqlx::query_scalar("SELECT to_regclass('log.head') IS NOT NULL")
            .fetch_one(&mut connection)
            .await
            .context(attempted)?;
        if !there {
            bail!("the database holds no Orbit: correct DATABASE_URL");
        }
        // In the transaction, so that they are of the same moment.
        let state = schema::state(&mut connection).await.context("cannot read which migrations the database has")?;
        // An older schema than this program's may be copied: that is what one does before an upgrade.
        if !matches!(state, State::Behind(_)) {
            state.require_current()?;
        }
        let row = sqlx::query(
            "SELECT pg_export_snapshot(), h.position, h.epoch,
                    (SELECT max(version) FROM public._sqlx_migrations),
                    (SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = 'log'),
                    current_setting('server_version_num')::integer / 10000,
                    ARRAY(SELECT nspname::text FROM pg_namespace n
                          WHERE nspname NOT IN ('log', 'vault', 'public', 'information_schema') AND nspname !~ '^pg_'
                          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass
                                          AND d.objid = n.oid AND d.deptype = 'e')
                          ORDER BY 1),
                    EXISTS (SELECT FROM log.streams WHERE category IN ('emails', 'attachments'))
             FROM log.head h LIMIT 1",
        )
        .fetch_one(&mut connection)
        .await
        .context(attempted)?;
        Ok(Self {
            id: row.try_get(0)?,
            position: row.try_get(1)?,
            epoch: row.try_get(2)?,
            schema: row.try_get(3)?,
            owner: row.try_get(4)?,
            server: u32::try_from(row.try_get::<i32, _>(5)?)?,
            readable: row.try_get(6)?,
            has_blobs: row.try_get(7)?,
            connection,
        })
    }

    /// Lets go of it.
    pub async fn release(self) {
        // Everything is read; a server that is gone by now has let go too.
        let _ = self.connection.close().await;
    }
}
