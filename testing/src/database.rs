//! A database per test, copied from a template that was migrated once.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use anyhow::Context;
use orbit_migrations::MIGRATOR;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use crate::{TestServers, must};

/// A database of one test's own, dropped with it.
///
/// Its pool belongs to the test's runtime: do not keep it beyond the test.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    pool: PgPool,
    /// Where to drop it; `None` if its whole server is thrown away.
    drop_at: Option<String>,
}

impl TestDatabase {
    /// A database with all migrations applied.
    pub async fn new() -> Self {
        let server = TestServers::get().await.database_url();
        must("cannot create a test database", Self::create(server, true, true).await)
    }

    /// A database without any table: for tests of the migrations themselves.
    pub async fn empty() -> Self {
        let server = TestServers::get().await.database_url();
        must("cannot create a test database", Self::create(server, false, true).await)
    }

    /// A database with all migrations applied, on a server of the test's own.
    pub(crate) async fn on(server: &str) -> Self {
        must("cannot create a test database", Self::create(server, true, false).await)
    }

    /// For a process under test, or a pool with other settings.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A pool of up to ten connections, as superuser.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    async fn create(server: &str, migrated: bool, drop: bool) -> anyhow::Result<Self> {
        let admin_url = with_database(server, "postgres")?;
        let mut admin = PgConnection::connect(&admin_url).await.context("cannot connect to the test server")?;
        let template = if migrated { template(&mut admin, server).await? } else { "template0".to_owned() };
        let name = format!("test_{}", random_name());
        execute(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        admin.close().await?;
        let url = with_database(server, &name)?;
        let pool =
            PgPoolOptions::new().max_connections(10).acquire_timeout(Duration::from_secs(30)).connect(&url).await?;
        Ok(Self { name, url, pool, drop_at: drop.then_some(admin_url) })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(url) = self.drop_at.take() else { return };
        let name = std::mem::take(&mut self.name);
        // Dropping is asynchronous work, and this test's runtime may be busy or ending: a thread with one of its own.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let work = async {
                    let mut admin = PgConnection::connect(&url).await?;
                    end_sessions(&mut admin, &name).await?;
                    execute(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
                };
                tokio::time::timeout(Duration::from_secs(10), work).await?
            })
        });
        // A database that stays goes with the run's directory.
        let _: Result<anyhow::Result<()>, _> = dropped.join();
    }
}

/// Ends what the pool left open. `DROP DATABASE` could do it, but looks only every 100 ms whether it has worked.
async fn end_sessions(admin: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1";
    while sqlx::query_scalar::<_, i64>(sql).bind(name).fetch_one(&mut *admin).await? > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Makes the template unless it is there, and gives its name, which tells one set of migrations from another.
async fn template(admin: &mut PgConnection, server: &str) -> anyhow::Result<String> {
    let mut hasher = DefaultHasher::new();
    MIGRATOR.iter().for_each(|migration| (migration.version, &migration.checksum).hash(&mut hasher));
    let hash = hasher.finish();
    let name = format!("template_{hash:016x}");
    if is_there(admin, &name).await? {
        return Ok(name);
    }
    // Without the lock two processes would migrate the same draft. It ends with this function or this connection.
    let key = i64::from_ne_bytes(hash.to_ne_bytes());
    sqlx::query("SELECT pg_advisory_lock($1)").bind(key).execute(&mut *admin).await?;
    if !is_there(admin, &name).await? {
        // A draft first: the name is only given to what is complete.
        let draft = format!("draft_{}", random_name());
        execute(admin, format!("CREATE DATABASE {draft} TEMPLATE template0")).await?;
        let mut connection = PgConnection::connect(&with_database(server, &draft)?).await?;
        MIGRATOR.run(&mut connection).await.context("cannot migrate the template")?;
        connection.close().await?;
        execute(admin, format!("ALTER DATABASE {draft} RENAME TO {name}")).await?;
    }
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(key).execute(admin).await?;
    Ok(name)
}

async fn is_there(admin: &mut PgConnection, name: &str) -> anyhow::Result<bool> {
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)");
    Ok(query.bind(name).fetch_one(admin).await?)
}

/// Runs a statement about a database, whose name cannot be a parameter. All names are made here, of letters and digits.
async fn execute(connection: &mut PgConnection, sql: String) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await.with_context(|| format!("cannot run {sql}"))?;
    Ok(())
}

fn with_database(url: &str, name: &str) -> anyhow::Result<String> {
    let (server, _) = url.rsplit_once('/').context("a database URL without a database")?;
    Ok(format!("{server}/{name}"))
}

/// Ten letters and digits, new each time.
#[expect(clippy::disallowed_methods, reason = "nothing a test decides depends on the name of its database")]
pub(crate) fn random_name() -> String {
    Uuid::new_v4().simple().to_string()[..10].to_owned()
}
