//! Invariant 5: a fact is never changed, by nobody.

use orbit_domain::tasks::Label;
use orbit_platform::postgres::Pool;

use crate::world::{Person, World, pool_as, rename};

const CHANGES: [&str; 6] = [
    "UPDATE log.events SET data = 'x'",
    "UPDATE log.events SET recorded_at = now() WHERE position = 1",
    "DELETE FROM log.events WHERE position = 1",
    "TRUNCATE log.events",
    "INSERT INTO log.events SELECT * FROM log.events
         ON CONFLICT (position) DO UPDATE SET data = 'x'",
    "MERGE INTO log.events e USING log.head h ON e.position = h.position WHEN MATCHED THEN DELETE",
];

async fn refusal(pool: &Pool, change: &'static str) -> String {
    let error = sqlx::raw_sql(change).execute(pool).await.unwrap_err();
    error.as_database_error().unwrap().code().unwrap().into_owned()
}

async fn world() -> World {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let id = person.label("red").await.unwrap();
    person.run::<Label>(id, rename("blue")).await.unwrap();
    world
}

#[tokio::test]
async fn the_trigger_refuses_every_change_of_a_fact_even_to_the_owner_and_superuser() {
    let world = world().await;
    for change in CHANGES {
        assert_eq!(refusal(&world.pool, change).await, "OR005", "{change}");
    }
    assert_eq!(world.assert_sound().await, 2);
    assert!(Person::new(&world.store().await).await.store.log().audit().await.unwrap().guarded);
    world.stop().await;
}

#[tokio::test]
async fn no_role_of_ours_has_the_privilege_to_change_a_fact_or_the_guard() {
    let world = world().await;
    let more = [
        "ALTER TABLE log.events DISABLE TRIGGER ALL",
        "DROP TRIGGER events_are_never_changed ON log.events",
        "DROP TABLE log.events",
        "SET session_replication_role = replica",
    ];
    for role in ["orbit_command", "orbit_projector", "orbit_query"] {
        let pool = pool_as(&world.database, role);
        for change in CHANGES.into_iter().chain(more) {
            assert_eq!(refusal(&pool, change).await, "42501", "{role}: {change}");
        }
    }
    for role in ["orbit_projector", "orbit_query"] {
        let pool = pool_as(&world.database, role);
        for change in ["INSERT INTO log.events SELECT * FROM log.events", "UPDATE log.head SET position = 0"] {
            assert_eq!(refusal(&pool, change).await, "42501", "{role}: {change}");
        }
    }
    assert_eq!(world.assert_sound().await, 2);
    world.stop().await;
}

#[tokio::test]
async fn a_missing_guard_is_noticed_when_the_log_is_looked_over() {
    let world = world().await;
    let log = orbit_event_store::Log::new(world.pool.clone());
    let audit = log.audit().await.unwrap();
    assert_eq!((audit.events, audit.newest, audit.guarded), (2, 2, true));
    assert_eq!(audit.missing_roles, [""; 0]);
    for how in ["DISABLE TRIGGER", "ENABLE REPLICA TRIGGER"] {
        let sql = format!("ALTER TABLE log.events {how} events_are_never_changed");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&world.pool).await.unwrap();
        assert!(!log.audit().await.unwrap().guarded, "{how}");
    }
    world.stop().await;
}
