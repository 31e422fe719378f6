//! Filling the draft from the archives, and looking at it before anybody may use it.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context, bail};
use orbit_event_store::{Fault, Log, MasterKey, Vault};
use orbit_platform::{
    clock::Clock,
    config::DatabaseArgs,
    postgres::{self, Pool},
};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{owner::Owner, source::Source};
use crate::{
    backup::{
        progress::Progress,
        tools::{Login, Tool},
    },
    schema,
};

/// How many connections fill tables and build indexes: more would only wait for the disk.
const MOST_JOBS: usize = 4;

/// Roles are the cluster's and in no dump. As in migration 1.
const ROLES: &str = "DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['orbit_command', 'orbit_projector', 'orbit_query'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        IF NOT pg_has_role(current_user, name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', name);
        END IF;
    END LOOP;
END
$$";

/// What the restored log is.
#[derive(Clone, Copy, Debug)]
pub struct Restored {
    /// The newest fact's position.
    pub position: i64,
    /// The new epoch.
    pub epoch: Uuid,
    /// Whether the read models came with it, and need not be folded anew.
    pub views: bool,
}

/// Fills the draft, migrates it, and gives its log a new epoch. Nobody but this knows the draft.
pub async fn fill(
    draft: &DatabaseArgs,
    source: &Source,
    pg_restore: &Tool,
    master_key: &MasterKey,
    progress: &Progress,
) -> anyhow::Result<Restored> {
    let pool = postgres::connect(draft, "orbit restore", None).await?;
    sqlx::raw_sql(ROLES).execute(&pool).await.context(
        "the roles of Orbit's processes cannot be made: the user in DATABASE_URL must be allowed to create roles",
    )?;
    let owner = Owner::prepare(&pool, &source.manifest.owner).await?;
    let archives = Archives { pg_restore, login: Login::of(draft)?, database: database_of(draft)? };
    progress.now("Restoring the users' keys");
    archives.load(source.vault(), &[]).await?;
    // Before the rest, which takes its time: whoever has another master key learns it now.
    if source.manifest.has_present_schema() {
        require_fit(&pool, master_key).await?;
    }
    progress.now("Restoring the log");
    archives.load(source.data(), &["--section=pre-data", "--section=data"]).await?;
    if let Some(views) = source.views() {
        progress.now("Restoring read models");
        archives.load(views, &["--section=data"]).await?;
    }
    progress.now("Building indexes");
    archives.load(source.data(), &["--section=post-data"]).await?;
    owner.adopt(&pool).await?;
    pool.close().await;

    progress.now("Migrating");
    schema::migrate(draft).await?;
    let pool = postgres::connect(draft, "orbit restore", None).await?;
    progress.now("Checking");
    require_fit(&pool, master_key).await?;
    check(&pool, source).await?;
    let epoch = begin_epoch(&pool).await?;
    pool.close().await;
    Ok(Restored { position: source.manifest.position, epoch, views: source.views().is_some() })
}

/// The users' keys open with this master key.
async fn require_fit(pool: &Pool, master_key: &MasterKey) -> anyhow::Result<()> {
    match Vault::new(pool.clone(), master_key, Clock::system()).require_fit().await {
        Err(Fault::WrongMasterKey) => bail!(
            "the keys of this backup were wrapped with another master key: put the one that belongs to it into .orbit/secrets/master-key, or set ORBIT_MASTER_KEY"
        ),
        fits => fits.context("cannot try the master key on the restored keys"),
    }
}

/// Runs `pg_restore`.
struct Archives<'a> {
    pg_restore: &'a Tool,
    login: Login,
    database: String,
}

impl Archives<'_> {
    async fn load(&self, archive: PathBuf, more: &[&str]) -> anyhow::Result<()> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_JOBS);
        let mut arguments: Vec<OsString> =
            ["--exit-on-error", "--no-password", "--no-tablespaces"].map(Into::into).to_vec();
        // Not only by the variable: without this option pg_restore prints SQL and asks no database.
        arguments.push(format!("--dbname={}", self.database).into());
        arguments.push(format!("--jobs={jobs}").into());
        arguments.extend(more.iter().map(Into::into));
        arguments.push(archive.into());
        self.pg_restore.run(&self.login, arguments).await
    }
}

/// The draft's name, which is made of the target's and so no secret. As a name and not as a connection string.
fn database_of(draft: &DatabaseArgs) -> anyhow::Result<String> {
    let options = postgres::options(draft, "orbit restore", None)?;
    let name = options.get_database().unwrap_or_default();
    if name.contains('=') || name.contains("://") {
        bail!("a database called {name} cannot be restored: choose a name without = and ://");
    }
    Ok(name.to_owned())
}

/// The log tells another story from here on: relay, projectors and queries see by the epoch that it is not the one they
/// knew. Nodes that worked on the other database work on this one no more.
async fn begin_epoch(pool: &Pool) -> anyhow::Result<Uuid> {
    let attempted = "cannot give the restored log a new epoch";
    let mut transaction = pool.begin().await.context(attempted)?;
    let epoch = sqlx::query_scalar("UPDATE log.head SET epoch = uuidv7() RETURNING epoch")
        .fetch_one(&mut *transaction)
        .await
        .context(attempted)?;
    sqlx::query("DELETE FROM view.nodes").execute(&mut *transaction).await.context(attempted)?;
    transaction.commit().await.context(attempted)?;
    Ok(epoch)
}

/// Invariants 1 and 5, keys for everybody, and no read model ahead of the log.
async fn check(pool: &Pool, source: &Source) -> anyhow::Result<()> {
    let log = Log::new(pool.clone());
    let (head, audit) = (log.head().await?.position, log.audit().await?);
    let expected = source.manifest.position;
    if [head, audit.events, audit.newest] != [expected; 3] {
        bail!(
            "the restored log is not whole: head {head}, {} facts, newest {}, and all should be {expected}: use another backup",
            audit.events,
            audit.newest
        );
    }
    if !audit.guarded || !audit.missing_roles.is_empty() {
        bail!("the restored database lacks the guard of its facts or its roles: use another backup");
    }
    let (keyless, ahead): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(DISTINCT s.user_id) FROM log.streams s
                 WHERE NOT EXISTS (SELECT FROM vault.keys k WHERE k.user_id = s.user_id)),
                (SELECT count(*) FROM view.checkpoints WHERE position > $1)",
    )
    .bind(expected)
    .fetch_one(pool)
    .await
    .context("cannot look over the restored database")?;
    if keyless > 0 {
        bail!("{keyless} users of the restored log have no key: the keys are not those of this backup");
    }
    if ahead > 0 {
        bail!("{ahead} checkpoints of the restored read models are ahead of the log: use another backup");
    }
    // Without statistics the first queries would be planned blindly.
    sqlx::raw_sql(AssertSqlSafe("ANALYZE".to_owned())).execute(pool).await.context("cannot analyze the tables")?;
    Ok(())
}
