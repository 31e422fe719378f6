//! The database's schema: bringing it up to date, and telling whether it is the one this program was made for.

use anyhow::{Context, bail};
use orbit_migrations::MIGRATOR;
use orbit_platform::{
    config::{DatabaseArgs, TelemetryArgs},
    postgres,
    telemetry::{self, Destination},
};
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    migrate::{Migrate, MigrateError},
};

use crate::print;

const EXAMPLES: &str = "\
Examples:
  orbit migrate                  the database that DATABASE_URL names
  orbit migrate --check          change nothing; exit 1 unless the schema is this program's";

/// Arguments of `orbit migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Change nothing, only say what would be done; exit 1 unless the schema is up to date
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

/// How a database's schema compares with this program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Exactly the one this program was made for; its newest migration.
    Current(i64),
    /// These many migrations are missing.
    Behind(usize),
    /// It has a migration that this program does not know.
    Newer(i64),
    /// It has a migration of this number with another content.
    Different(i64),
}

impl State {
    /// Compares what was applied with what this program brings.
    fn of(applied: &[(i64, Vec<u8>)]) -> Self {
        let ours: Vec<_> = MIGRATOR.iter().collect();
        for (version, checksum) in applied {
            match ours.iter().find(|migration| migration.version == *version) {
                None => return Self::Newer(*version),
                Some(migration) if *migration.checksum != **checksum => return Self::Different(*version),
                Some(_) => {}
            }
        }
        match ours.len().saturating_sub(applied.len()) {
            0 => Self::Current(ours.last().map_or(0, |migration| migration.version)),
            missing => Self::Behind(missing),
        }
    }

    /// A fault unless the schema is this program's.
    pub fn require_current(&self) -> anyhow::Result<()> {
        match self {
            Self::Current(_) => Ok(()),
            Self::Behind(missing) => bail!(
                "the database lacks {missing} of this program's migrations: run `orbit migrate` with the same DATABASE_URL"
            ),
            Self::Newer(version) => Err(newer(*version)),
            Self::Different(version) => Err(different(*version)),
        }
    }
}

fn newer(version: i64) -> anyhow::Error {
    anyhow::anyhow!(
        "the database's schema is newer than this program, which does not know its migration {version}: start the newer Orbit, or restore a backup from before it"
    )
}

fn different(version: i64) -> anyhow::Error {
    anyhow::anyhow!(
        "migration {version} of the database is not the one that this program has under that number: use the Orbit that made this database, or another database"
    )
}

/// Reads how far the database is.
pub async fn state(connection: &mut PgConnection) -> Result<State, MigrateError> {
    match connection.list_applied_migrations(&MIGRATOR.table_name).await {
        Ok(applied) => {
            let applied: Vec<_> = applied.into_iter().map(|one| (one.version, one.checksum.to_vec())).collect();
            Ok(State::of(&applied))
        }
        // 42P01: there is no such table, so nothing was ever applied.
        Err(MigrateError::Execute(sqlx::Error::Database(error))) if error.code().as_deref() == Some("42P01") => {
            Ok(State::of(&[]))
        }
        Err(error) => Err(error),
    }
}

/// A connection of its own for `database`, with the platform's sentences when there is none.
pub async fn connect(database: &DatabaseArgs, name: &str) -> anyhow::Result<PgConnection> {
    // The pool's first look explains what is wrong, which a plain connection would not.
    postgres::connect(database, name, None).await?.close().await;
    let connection = postgres::options(database, name, None)?.connect().await;
    connection.context("PostgreSQL refused a second connection: try again")
}

/// Applies what is missing; says how many migrations that were.
pub async fn migrate(database: &DatabaseArgs) -> anyhow::Result<usize> {
    let mut connection = connect(database, "orbit migrate").await?;
    let before = state(&mut connection).await.context("cannot read which migrations the database has")?;
    if let State::Newer(_) | State::Different(_) = before {
        before.require_current()?;
    }
    // The migrator takes a lock of its own: several may do this at once, one does it.
    match MIGRATOR.run(&mut connection).await {
        Ok(()) => {}
        Err(MigrateError::VersionMissing(version)) => return Err(newer(version)),
        Err(MigrateError::VersionMismatch(version)) => return Err(different(version)),
        Err(error) => {
            return Err(error).context(
                "the migration failed and was undone: check that the user in DATABASE_URL may create schemas and roles",
            );
        }
    }
    let _ = connection.close().await;
    Ok(if let State::Behind(missing) = before { missing } else { 0 })
}

/// `orbit migrate`.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&args.telemetry, "orbit-migrate", &Destination::default())?;
    if args.check {
        let mut connection = connect(&args.database, "orbit migrate").await?;
        state(&mut connection).await.context("cannot read which migrations the database has")?.require_current()?;
        return print::line("The schema is up to date.");
    }
    match migrate(&args.database).await? {
        0 => print::line("The schema is up to date; there was nothing to do."),
        1 => print::line("Applied 1 migration; the schema is up to date."),
        applied => print::line(&format!("Applied {applied} migrations; the schema is up to date.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied() -> Vec<(i64, Vec<u8>)> {
        MIGRATOR.iter().map(|migration| (migration.version, migration.checksum.to_vec())).collect()
    }

    #[test]
    fn a_schema_is_current_behind_newer_or_somebody_elses() {
        let mut all = applied();
        assert!(matches!(State::of(&all), State::Current(_)));
        assert_eq!(State::of(&all[1..]), State::Behind(1));
        assert_eq!(State::of(&[]), State::Behind(all.len()));
        all.push((9_999, vec![]));
        let sentence = State::of(&all).require_current().unwrap_err().to_string();
        assert!(sentence.contains("newer than this program") && sentence.contains("9999"), "{sentence}");
        let mut other = applied();
        other[0].1 = vec![0];
        assert_eq!(State::of(&other), State::Different(other[0].0));
    }
}
