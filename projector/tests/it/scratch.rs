//! Scratch tables: what is folded into them is what the serving tables hold, and they are empty again.

use std::collections::BTreeMap;

use orbit_event_store::Stored;
use orbit_events::{
    EmailId, UserId,
    emails::{email::Archived, thread::Merged},
    tasks::{
        Status,
        task::{Retitled, StatusChanged},
    },
};
use orbit_projector::{projections, runner::Opened, scratch};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::{
    mail::{any_received, of_email, of_thread},
    stories::{of_task, task},
    world::{PARTITIONS, World},
};

/// A session as the query API's, with its tables.
async fn session(world: &World) -> PgConnection {
    let options = world.database.pool().connect_options().as_ref().clone().options([("role", "orbit_query")]);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    scratch::make(&mut connection, "view").await.unwrap();
    connection
}

async fn facts(world: &World, user: UserId) -> Vec<Opened> {
    let stored = world.log.partition(PARTITIONS.of(user), 0, i64::MAX, 100_000).await.unwrap();
    Stored::open_all(stored, &world.vault).await.unwrap()
}

async fn fold(connection: &mut PgConnection, projection: &str, facts: &[Opened]) {
    let projection = projections::find(projection).unwrap();
    scratch::open(connection).await.unwrap();
    scratch::Fold::new(projection).apply(connection, facts).await.unwrap();
    scratch::close(connection, projection, 3, 4711).await.unwrap();
}

/// Rows of all tables of the projections, without words, which are worked out where they are read.
async fn dump(connection: &mut PgConnection, schema: &str) -> BTreeMap<&'static str, Value> {
    let mut all = BTreeMap::new();
    for table in projections::ALL.iter().flat_map(|projection| projection.tables) {
        let sql = format!(
            "SELECT coalesce(jsonb_agg(to_jsonb(t) - 'words' ORDER BY to_jsonb(t)::text), '[]') FROM {schema}.{table} t"
        );
        all.insert(*table, sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap());
    }
    all
}

#[tokio::test]
async fn what_is_folded_is_what_is_served_and_is_gone_with_the_question() {
    let world = World::new().await;
    let user = world.user().await;
    let tasks: Vec<Uuid> = (0..20).map(|_| world.id()).collect();
    world.append(user, tasks.iter().map(|id| (*id, of_task(task("Buy milk"))))).await;
    world.append(user, [(tasks[3], of_task(Retitled { title: "Buy tea".into() }))]).await;
    let mails: Vec<(Uuid, u8)> = (0..20).map(|n| (world.id(), n)).collect();
    world.append(user, mails.iter().map(|(id, n)| (*id, of_email(any_received(*n, 3 * n))))).await;
    let email_ids = mails[2..4].iter().map(|(id, _)| EmailId(*id)).collect();
    world.append(user, [(world.id(), of_thread(Merged { email_ids })), (mails[5].0, of_email(Archived {}))]).await;
    world.catch_up().await;
    let mut served = world.database.pool().acquire().await.unwrap();
    let mut connection = session(&world).await;
    for projection in projections::ALL {
        let mut wanted = facts(&world, user).await;
        wanted.retain(|fact| fact.as_ref().is_ok_and(|fact| projection.interest.wants(&fact.envelope)));
        fold(&mut connection, projection.name, &wanted).await;
        let (here, there) = (dump(&mut connection, "pg_temp").await, dump(&mut served, "view").await);
        for table in projection.tables {
            assert_eq!(here[table], there[table], "{table}");
        }
        let found: i64 = sqlx::query_scalar("SELECT position FROM checkpoints WHERE projection = $1 AND partition = 3")
            .bind(projection.name)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(found, 4711);
        scratch::forget(&mut connection).await.unwrap();
        assert!(dump(&mut connection, "pg_temp").await.values().all(|rows| *rows == serde_json::json!([])));
    }
}

#[tokio::test]
async fn what_cannot_be_applied_holds_its_stream_back_and_no_other() {
    let world = World::new().await;
    let user = world.user().await;
    let [strange, fine] = [world.id(), world.id()];
    world.append(user, [(strange, of_task(task("Strange"))), (fine, of_task(task("Fine")))]).await;
    // PostgreSQL holds no NUL: the table refuses it.
    world.append(user, [(strange, of_task(Retitled { title: "Nul\0".into() }))]).await;
    world.append(user, [(strange, of_task(StatusChanged { status: Status::Waiting }))]).await;
    world.append(user, [(fine, of_task(Retitled { title: "Finer".into() }))]).await;
    let mut connection = session(&world).await;
    fold(&mut connection, "tasks", &facts(&world, user).await).await;
    let tasks: Vec<(String, String)> =
        sqlx::query_as("SELECT title, status FROM tasks ORDER BY id").fetch_all(&mut connection).await.unwrap();
    assert_eq!(tasks, [("Strange", "open"), ("Finer", "open")].map(|(title, status)| (title.into(), status.into())));
    scratch::forget(&mut connection).await.unwrap();
}

#[tokio::test]
async fn tables_that_were_filled_many_times_do_not_grow() {
    let world = World::new().await;
    let user = world.user().await;
    world.append(user, (0..500).map(|n| (world.id(), of_task(task(&format!("{n:01000}")))))).await;
    let (mut connection, facts) = (session(&world).await, facts(&world, user).await);
    let mut largest = 0;
    for _ in 0..40 {
        fold(&mut connection, "tasks", &facts).await;
        scratch::forget(&mut connection).await.unwrap();
        // Within a transaction that comes to nothing: its commit would empty the tables.
        let mut look = connection.begin().await.unwrap();
        let bytes: i64 = sqlx::query_scalar("SELECT pg_table_size('tasks')").fetch_one(&mut *look).await.unwrap();
        look.rollback().await.unwrap();
        largest = largest.max(bytes);
    }
    // A fold is more than half a megabyte; forty are more than twenty.
    assert!((1 << 20..10 << 20).contains(&largest), "{largest} bytes");
}

#[tokio::test]
async fn nothing_falls_through_to_what_is_served() {
    let world = World::new().await;
    let mut connection = session(&world).await;
    for table in ["parked", "nodes"] {
        let sql = format!("SELECT FROM {table} LIMIT 1");
        let refused = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("does not exist"), "{refused}");
    }
}
