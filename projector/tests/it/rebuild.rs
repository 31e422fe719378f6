//! Rebuilds: the same rows in new tables, while the old ones serve and facts go on.

use std::time::Duration;

use orbit_event_store::rebuilds::{self, Reason, Wish};
use orbit_events::{Event, tasks::task::Retitled};
use orbit_platform::{clock::Clock, shutdown::Shutdown};
use orbit_projector::{
    projections,
    rebuild::{self, Outcome, Progress, Step},
};
use orbit_testing::eventually;
use sqlx::AssertSqlSafe;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    mail::{answer, of_email},
    world::{SOON, World, created},
};

impl World {
    async fn rebuild_deps(&self) -> rebuild::Deps {
        let deps = self.deps().await;
        rebuild::Deps { pool: deps.pool, log: deps.log, vault: deps.vault, clock: deps.clock }
    }

    async fn wish(&self, projections: &[&str], verify: bool) -> Uuid {
        let (id, at) = (self.id(), Clock::system().now());
        let projections = projections.iter().map(|name| (*name).to_owned()).collect();
        let wish = Wish { id, projections, workers: 2, verify, reason: Reason::Asked, requested_by: None, at };
        rebuilds::request(&self.database.pool().into(), &wish).await.unwrap();
        id
    }

    async fn rebuild(&self, id: Uuid) -> Result<Outcome, rebuild::Fault> {
        let (progress, _) = watch::channel(Progress::default());
        rebuild::run(&self.rebuild_deps().await, id, &progress, &Shutdown::new().token()).await
    }

    async fn state(&self, id: Uuid) -> rebuilds::Rebuild {
        rebuilds::find(&self.database.pool().into(), id).await.unwrap().unwrap()
    }

    /// Some users with tasks that are written down and renamed.
    async fn stories(&self, users: usize, tasks: usize) {
        for n in 0..users {
            let user = self.user().await;
            for m in 0..tasks {
                let task = self.id();
                let renamed = Event::Task(Retitled { title: format!("renamed {n} {m}") }.into());
                self.append(user, [(task, created(&format!("task {n} {m}"))), (task, renamed)]).await;
            }
        }
    }

    async fn tables_of_a_rebuild(&self) -> i64 {
        self.count("SELECT count(*) FROM pg_class WHERE relnamespace = 'rebuild'::regnamespace AND relkind = 'r'").await
    }
}

const ALL: [&str; 4] = ["users", "tasks", "emails", "activities"];

fn complete() -> Outcome {
    Outcome::Complete { differences: Some(vec![]) }
}

#[tokio::test]
async fn a_rebuild_comes_to_the_same_rows_and_serves_them() {
    let world = World::new().await;
    world.stories(4, 5).await;
    world.catch_up().await;
    let before = world.dump("view").await;
    let keys_and_indexes = async || -> Vec<String> {
        let described =
            "SELECT pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisprimary THEN ' PRIMARY KEY' ELSE '' END
                         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                         WHERE c.relnamespace = 'view'::regnamespace ORDER BY 1";
        sqlx::query_scalar(described).fetch_all(world.database.pool()).await.unwrap()
    };
    let indexed = keys_and_indexes().await;
    let id = world.wish(&ALL, true).await;
    assert_eq!(world.rebuild(id).await.unwrap(), complete());
    assert_eq!(world.dump("view").await, before);
    assert_eq!(keys_and_indexes().await, indexed);
    assert_eq!(world.tables_of_a_rebuild().await, 2, "nothing is left but the places of the next one");
    let row = world.state(id).await;
    assert_eq!((row.state.as_str(), row.position, row.facts), ("complete", 40, 80));
    // What is served now takes new facts, under the same roles, settings and comments.
    world.stories(1, 1).await;
    world.catch_up().await;
    assert_eq!(world.titles().await.len(), 21);
    let settings = "SELECT count(*) FROM pg_class WHERE relnamespace = 'view'::regnamespace AND relname = 'tasks'
                    AND reloptions = '{fillfactor=85}' AND obj_description(oid) LIKE 'Tasks, also%'
                    AND has_table_privilege('orbit_query', oid, 'SELECT')
                    AND NOT has_table_privilege('orbit_query', oid, 'INSERT')";
    assert_eq!(world.count(settings).await, 1);
}

#[tokio::test]
async fn a_rebuild_of_mail_finds_the_same_threads_span_by_span() {
    let world = World::new().await;
    let user = world.user().await;
    // Each answers one of long ago, so that threads grow in every span.
    let mails = (0..2_400_u32).map(|n| {
        let answered = format!("{}@x", n.wrapping_sub(700));
        (world.id(), of_email(answer(&format!("{n}@x"), &[&answered])))
    });
    world.append(user, mails.collect::<Vec<_>>()).await;
    world.catch_up().await;
    assert_eq!(world.count("SELECT count(*) FROM view.email_threads").await, 700);
    let id = world.wish(&["emails"], true).await;
    assert_eq!(world.rebuild(id).await.unwrap(), complete());
}

#[tokio::test]
async fn facts_and_queries_go_on_while_tables_are_rebuilt() {
    let world = World::new().await;
    world.stories(3, 20).await;
    let (relay, projector) = (world.relay(), world.projector().await);
    world.wait_for(120).await;
    let id = world.wish(&["tasks", "activities"], true).await;
    let reading = Shutdown::new();
    let pool = world.deps().await.pool;
    let token = reading.token();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    reading.spawn("reader", async move {
        while !token.is_cancelled() {
            let count: Result<i64, sqlx::Error> =
                sqlx::query_scalar("SELECT count(*) FROM tasks").fetch_one(&pool).await;
            sender.send(count).unwrap();
        }
    });
    for _ in 0..10 {
        world.stories(1, 5).await;
    }
    eventually(Duration::from_mins(1), || async { world.state(id).await.finished_at.is_some() }).await;
    let row = world.state(id).await;
    assert_eq!((row.state.as_str(), row.error), ("complete", None));
    world.stories(1, 1).await;
    world.wait_for(222).await;
    assert_eq!(world.titles().await.len(), 111);
    reading.finish(SOON).await.unwrap();
    let mut most = 0;
    while let Some(count) = seen.recv().await {
        let count = count.expect("a query failed during a rebuild");
        assert!(count >= most, "a query saw {count} tasks after another saw {most}");
        most = count;
    }
    projector.stop().await;
    relay.stop().await;
    let served = world.dump("view").await;
    world.fold_into("fresh").await;
    assert_eq!(served, world.dump("fresh").await);
}

#[tokio::test]
async fn a_rebuild_that_died_goes_on_where_it_stood() {
    let world = World::new().await;
    world.stories(10, 120).await;
    world.catch_up().await;
    let id = world.wish(&["tasks"], true).await;
    let (progress, mut seen) = watch::channel(Progress::default());
    let deps = world.rebuild_deps().await;
    let token = Shutdown::new().token();
    tokio::select! {
        // The second span is under way: whoever works on it vanishes.
        _ = seen.wait_for(|progress| progress.position > 0) => {}
        outcome = rebuild::run(&deps, id, &progress, &token) => panic!("ended before it could die: {outcome:?}"),
    }
    let kept = world.count("SELECT min(position) FROM rebuild.checkpoints").await;
    assert!(kept > 0 && world.state(id).await.finished_at.is_none());
    let mut first = None;
    let (progress, mut seen) = watch::channel(Progress::default());
    let outcome = async {
        // The lock of the dead one ends with its connection.
        loop {
            match rebuild::run(&deps, id, &progress, &token).await.unwrap() {
                Outcome::Busy => tokio::task::yield_now().await,
                outcome => return outcome,
            }
        }
    };
    let watch = async {
        first = seen.wait_for(|progress| progress.step == Step::Filling).await.ok().map(|progress| progress.position);
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! { outcome = outcome => outcome, () = watch => unreachable!() };
    assert_eq!(outcome, complete());
    assert!(first.unwrap() >= kept, "it began anew at {first:?} though {kept} was reached");
    assert_eq!(world.titles().await.len(), 1200);
}

#[tokio::test]
async fn a_difference_stops_a_rebuild_that_is_to_be_verified_and_is_told_of_by_others() {
    let world = World::new().await;
    world.stories(2, 3).await;
    world.catch_up().await;
    world.sql("UPDATE view.tasks SET title = 'somebody was here' WHERE title = 'renamed 1 2'").await;
    let changed: Uuid = sqlx::query_scalar("SELECT id FROM view.tasks WHERE title = 'somebody was here'")
        .fetch_one(world.database.pool())
        .await
        .unwrap();
    let verified = world.wish(&["tasks"], true).await;
    let fault = world.rebuild(verified).await.unwrap_err();
    assert_eq!(fault.to_string(), "not put in place: tasks came out otherwise than served");
    assert_eq!(world.state(verified).await.state, "failed");
    assert!(world.titles().await.contains(&"somebody was here".to_owned()), "what is served was replaced");
    world.sql("DELETE FROM view.tasks WHERE title = 'somebody was here'").await;
    let told = world.wish(&["tasks"], false).await;
    let Outcome::Complete { differences: Some(found) } = world.rebuild(told).await.unwrap() else { panic!() };
    assert_eq!((found[0].table.as_str(), &found[0].examples), ("tasks", &vec![changed.to_string()]));
    assert!(!world.titles().await.contains(&"somebody was here".to_owned()));
    assert_eq!(world.state(told).await.differences.unwrap()[0]["table"], "tasks");
}

#[tokio::test]
async fn what_cannot_be_applied_is_parked_by_a_rebuild_too() {
    let world = World::new().await;
    let user = world.user().await;
    let (odd, fine) = (world.id(), world.id());
    world.append_raw(user, &[(odd, "tasks.teleported".to_owned(), b"{}".to_vec())]).await;
    world.append(user, [(fine, created("fine"))]).await;
    world.catch_up().await;
    let id = world.wish(&["tasks"], true).await;
    assert_eq!(world.rebuild(id).await.unwrap(), complete());
    assert_eq!(world.titles().await, ["fine"]);
    assert_eq!(world.count("SELECT count(*) FROM view.parked WHERE projection = 'tasks'").await, 1);
}

#[tokio::test]
async fn a_rebuild_can_be_cancelled() {
    let world = World::new().await;
    world.stories(2, 2).await;
    world.catch_up().await;
    let id = world.wish(&["tasks"], false).await;
    let mut hold = world.database.pool().begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe("LOCK TABLE view.tasks IN ACCESS SHARE MODE")).execute(&mut *hold).await.unwrap();
    let running = world.rebuild(id);
    let cancel = async {
        // It waits at the swap for the reader, lets others pass, and heeds the wish.
        eventually(SOON, || async { world.state(id).await.state == "swapping" }).await;
        assert!(rebuilds::cancel(&world.database.pool().into(), id, Clock::system().now()).await.unwrap());
    };
    let (outcome, ()) = tokio::join!(running, cancel);
    assert_eq!(outcome.unwrap(), Outcome::Cancelled);
    drop(hold);
    assert_eq!((world.state(id).await.state.as_str(), world.tables_of_a_rebuild().await), ("cancelled", 2));
    assert!(!rebuilds::cancel(&world.database.pool().into(), id, Clock::system().now()).await.unwrap());
}

#[tokio::test]
async fn newer_code_asks_for_a_rebuild_and_a_projector_does_it() {
    let world = World::new().await;
    world.stories(1, 1).await;
    world.sql("INSERT INTO view.projections (name, version) SELECT 'tasks', 1").await;
    world.catch_up().await;
    // As if the code had been at another version before.
    world.sql("ALTER TABLE view.projections DROP CONSTRAINT projections_version_check; UPDATE view.projections SET version = 0").await;
    let projector = world.projector().await;
    eventually(Duration::from_mins(1), || async {
        world.count("SELECT count(*) FROM work.rebuilds WHERE reason = 'version' AND state = 'complete'").await == 1
    })
    .await;
    assert_eq!(world.count("SELECT version::bigint FROM view.projections WHERE name = 'tasks'").await, 1);
    assert_eq!(
        world.count("SELECT count(*) FROM view.projections").await,
        i64::try_from(projections::ALL.len()).unwrap()
    );
    projector.stop().await;
}
