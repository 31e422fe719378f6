//! Every migration applies over the rows that its predecessors' tables may hold, and leaves behind what we promise.

#![allow(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

use std::{collections::BTreeSet, path::Path};

use orbit_migrations::MIGRATOR;
use orbit_testing::TestDatabase;
use sqlx::{AssertSqlSafe, PgPool, migrate::Migration};

/// The rows that come with a migration.
fn sample(migration: &Migration) -> String {
    let name = format!("{:04}_{}.sql", migration.version, migration.description.replace(' ', "_"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(&name);
    std::fs::read_to_string(path).unwrap_or_else(|_| panic!("migration {name} has no sample rows in samples/{name}"))
}

async fn run(pool: &PgPool, what: &str, statements: &str) {
    let mut transaction = pool.begin().await.unwrap();
    let result = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut *transaction).await;
    result.unwrap_or_else(|error| panic!("{what}: {error}"));
    transaction.commit().await.unwrap();
}

async fn names(pool: &PgPool, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn every_migration_applies_over_the_rows_of_those_before_it() {
    let database = TestDatabase::empty().await;
    let pool = database.pool();
    for migration in MIGRATOR.iter() {
        run(pool, &format!("migration {}", migration.version), migration.sql.clone().as_str()).await;
        run(pool, &format!("sample rows of {}", migration.version), &sample(migration)).await;
    }
    let empty = names(
        pool,
        "SELECT format('%s.%s', schemaname, relname) FROM pg_stat_user_tables
         WHERE schemaname IN ('log', 'vault', 'view', 'work') AND n_live_tup = 0 ORDER BY 1",
    );
    // Statistics arrive late: only tables without any row at all are counted as not sampled.
    for table in empty.await {
        let rows: i64 =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(pool).await.unwrap();
        assert!(rows > 0, "{table} has no sample row: a later migration would be tried on nothing");
    }
}

#[tokio::test]
async fn every_sample_belongs_to_a_migration() {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")).unwrap();
    let files: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let expected: BTreeSet<String> = MIGRATOR
        .iter()
        .map(|migration| format!("{:04}_{}.sql", migration.version, migration.description.replace(' ', "_")))
        .collect();
    assert_eq!(files, expected);
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let database = TestDatabase::empty().await;
    MIGRATOR.run(database.pool()).await.unwrap();
    MIGRATOR.run(database.pool()).await.unwrap();
    let applied: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success")
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert_eq!(usize::try_from(applied).unwrap(), MIGRATOR.iter().count());
}

#[tokio::test]
async fn every_table_says_what_it_is_for() {
    let database = orbit_testing::database().await;
    let silent = names(
        database.pool(),
        "SELECT c.oid::regclass::text FROM pg_class c
         WHERE c.relkind = 'r' AND c.relnamespace IN ('log'::regnamespace, 'vault'::regnamespace, 'view'::regnamespace,
                                                      'work'::regnamespace)
           AND obj_description(c.oid) IS NULL ORDER BY 1",
    );
    assert_eq!(silent.await, Vec::<String>::new());
}

#[tokio::test]
async fn roles_may_do_what_they_need_and_no_more() {
    let database = orbit_testing::database().await;
    let pool = database.pool();
    let may = |role: &'static str, table: &'static str, what: &'static str| async move {
        let sql = "SELECT has_table_privilege($1, $2, $3)";
        sqlx::query_scalar::<_, bool>(sql).bind(role).bind(table).bind(what).fetch_one(pool).await.unwrap()
    };
    let views = names(
        pool,
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'view'::regnamespace
         ORDER BY 1",
    );
    for table in views.await {
        let table: &'static str = Box::leak(table.into_boxed_str());
        for what in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
            assert!(may("orbit_projector", table, what).await, "the projector may not {what} {table}");
        }
        assert!(may("orbit_query", table, "SELECT").await, "queries may not read {table}");
        for what in ["INSERT", "UPDATE", "DELETE", "TRUNCATE"] {
            assert!(!may("orbit_query", table, what).await, "queries may {what} {table}");
            assert!(!may("orbit_command", table, what).await, "commands may {what} {table}");
        }
    }
    // Jobs of users; rebuilds are the projector's.
    let work = names(
        pool,
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'work'::regnamespace
           AND c.relname <> 'rebuilds' ORDER BY 1",
    );
    for table in work.await {
        let table: &'static str = Box::leak(table.into_boxed_str());
        for what in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
            assert!(may("orbit_command", table, what).await, "who works may not {what} {table}");
        }
        for role in ["orbit_query", "orbit_projector"] {
            assert!(may(role, table, "SELECT").await, "{role} may not read {table}");
            for what in ["INSERT", "UPDATE", "DELETE", "TRUNCATE"] {
                assert!(!may(role, table, what).await, "{role} may {what} {table}");
            }
        }
    }
    for role in ["orbit_command", "orbit_projector", "orbit_query"] {
        for what in ["UPDATE", "DELETE", "TRUNCATE"] {
            assert!(!may(role, "log.events", what).await, "{role} may {what} facts");
        }
    }
    for role in ["orbit_projector", "orbit_query"] {
        assert!(!may(role, "log.events", "INSERT").await, "{role} may append facts");
        assert!(may(role, "log.events", "SELECT").await, "{role} may not read facts");
    }
}
