//! Facts that cannot be applied: their streams are parked, others go on, nothing is skipped silently.

use orbit_events::{
    Event,
    tasks::{
        Status,
        task::{Retitled, StatusChanged},
    },
    users::user,
};
use orbit_platform::postgres::Pool;
use orbit_projector::parked::{self, Retried};
use orbit_testing::eventually;
use uuid::Uuid;

use crate::{
    stories::{of_task, task},
    world::{SOON, World},
};

async fn parked_by(pool: &Pool, projection: &str) -> Vec<(Uuid, i64)> {
    let all = parked::list(pool, 0, 1_000).await;
    all.unwrap().into_iter().filter(|p| p.projection == projection).map(|p| (p.stream_id, p.position)).collect()
}

#[tokio::test]
async fn a_fact_of_an_unknown_type_parks_its_stream_and_others_go_on() {
    let world = World::new().await;
    let deps = world.deps().await;
    let user = world.user().await;
    let [strange, fine] = [world.id(), world.id()];
    world.append(user, [(strange, of_task(task("Strange"))), (fine, of_task(task("Fine")))]).await;
    world.append_raw(user, &[(strange, "tasks.teleported".to_owned(), b"{}".to_vec())]).await;
    let running = world.projector().await;
    world.wait_for(3).await;
    // What comes later waits with it, whoever else goes on.
    world.append(user, [(strange, of_task(Retitled { title: "Stranger".into() }))]).await;
    world.append(user, [(fine, of_task(Retitled { title: "Finer".into() }))]).await;
    world.wait_for(5).await;
    assert_eq!(world.titles().await, ["Strange", "Finer"]);

    let parked = parked::list(&deps.pool, 0, 100).await.unwrap();
    let by_tasks: Vec<_> = parked.iter().filter(|p| p.projection == "tasks").collect();
    assert_eq!(by_tasks.iter().map(|p| (p.position, p.stream_id)).collect::<Vec<_>>(), [(3, strange), (4, strange)]);
    assert_eq!(by_tasks[0].reason, "unknown event type tasks.teleported");
    assert_eq!(by_tasks[1].reason, "an earlier fact of its stream is parked");
    assert_eq!(parked.iter().filter(|p| p.projection == "activities").count(), 2, "activities wants to know all");
    assert_eq!(parked.iter().filter(|p| p.projection == "users").count(), 0, "users does not care");
    assert_eq!(parked::counts(&deps.pool).await.unwrap()["tasks"], 2);

    let retried = parked::retry(&deps.pool, &deps.log, &deps.vault, "tasks", strange).await.unwrap();
    let reason = "unknown event type tasks.teleported".to_owned();
    assert_eq!(retried, Retried::StillParked { position: 3, reason });

    assert_eq!(parked::discard(&deps.pool, "tasks", strange).await.unwrap(), 2);
    let last = world.append(user, [(strange, of_task(Retitled { title: "Tamed".into() }))]).await;
    world.wait_for(last).await;
    assert_eq!(world.titles().await, ["Tamed", "Finer"], "later facts are applied again");
    assert_eq!(parked::retry(&deps.pool, &deps.log, &deps.vault, "tasks", strange).await.unwrap(), Retried::Nothing);
    running.stop().await;
}

#[tokio::test]
async fn an_erasure_waits_for_nothing_that_is_parked_and_takes_it_along() {
    let world = World::new().await;
    let deps = world.deps().await;
    let user = world.user().await;
    world.append(user, [(world.id(), of_task(task("Secret plan")))]).await;
    world.append_raw(user, &[(user.0, "users.teleported".to_owned(), b"{}".to_vec())]).await;
    world.catch_up().await;
    assert_eq!(parked_by(&deps.pool, "users").await, [(user.0, 2)]);
    world.append(user, [(user.0, Event::User(user::Erased {}.into()))]).await;
    world.catch_up().await;
    assert!(world.titles().await.is_empty());
    assert_eq!(world.count("SELECT count(*) FROM view.activities WHERE description LIKE '%plan%'").await, 0);
    assert!(parked_by(&deps.pool, "users").await.is_empty(), "reasons may quote words");
    assert_eq!(world.count("SELECT count(*) FROM view.users_removed").await, 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_unwrapped_parks_its_user_and_nobody_else() {
    let world = World::new().await;
    let deps = world.deps().await;
    let (broken, fine) = (world.user_in(3).await, world.user_in(3).await);
    let facts = [(broken, "Unreadable"), (fine, "Readable")];
    for (user, title) in facts {
        world.append(user, [(world.id(), of_task(task(title)))]).await;
    }
    let spoil = format!("UPDATE vault.keys SET wrapped = sha512('x'::bytea) WHERE user_id = '{}'", broken.0);
    world.sql(&spoil).await;
    world.catch_up().await;
    assert_eq!(world.titles().await, ["Readable"]);
    let parked = parked::list(&deps.pool, 0, 10).await.unwrap();
    assert!(parked.iter().all(|p| p.user_id == broken.0 && p.reason.contains("does not open")), "{parked:?}");
    assert_eq!(parked.len(), 2, "by tasks and by activities");
}

#[tokio::test]
async fn the_culprits_are_found_in_a_batch_and_applied_once_it_is_mended() {
    let world = World::new().await;
    let deps = world.deps().await;
    let user = world.user().await;
    world.sql("ALTER TABLE view.tasks ADD CONSTRAINT picky CHECK (title NOT LIKE 'bad%')").await;
    let streams: Vec<Uuid> = (0..100).map(|_| world.id()).collect();
    let title = |n: usize| if n == 17 || n == 71 { format!("bad {n}") } else { format!("good {n}") };
    world.append(user, streams.iter().enumerate().map(|(n, id)| (*id, of_task(task(&title(n)))))).await;
    let status = Status::Waiting;
    world.append(user, streams.iter().map(|id| (*id, of_task(StatusChanged { status })))).await;
    world.catch_up().await;
    assert_eq!(world.titles().await.len(), 98);
    assert_eq!(world.count("SELECT count(*) FROM view.tasks WHERE status = 'waiting'").await, 98);
    let expected = [(streams[17], 18), (streams[71], 72), (streams[17], 118), (streams[71], 172)];
    assert_eq!(parked_by(&deps.pool, "tasks").await, expected);

    let again = parked::retry(&deps.pool, &deps.log, &deps.vault, "tasks", streams[17]).await.unwrap();
    assert!(matches!(again, Retried::StillParked { position: 18, .. }), "{again:?}");
    world.sql("ALTER TABLE view.tasks DROP CONSTRAINT picky").await;
    for stream in [streams[17], streams[71]] {
        let mended = parked::retry(&deps.pool, &deps.log, &deps.vault, "tasks", stream).await.unwrap();
        assert_eq!(mended, Retried::Applied(2));
    }
    assert!(parked_by(&deps.pool, "tasks").await.is_empty());
    world.fold_into("rebuilt").await;
    assert_eq!(world.dump("rebuilt").await, world.dump("view").await);
}

#[tokio::test]
async fn a_database_in_trouble_parks_nothing() {
    let world = World::new().await;
    let running = world.projector().await;
    let user = world.user().await;
    let position = world.append(user, [(world.id(), of_task(task("Before")))]).await;
    world.wait_for(position).await;
    world.sql("ALTER TABLE view.tasks RENAME TO elsewhere").await;
    let position = world.append(user, [(world.id(), of_task(task("Meanwhile")))]).await;
    // The other projections show that it was tried.
    eventually(SOON, || async { world.reached("activities").await >= position }).await;
    assert!(world.reached("tasks").await < position);
    world.sql("ALTER TABLE view.elsewhere RENAME TO tasks").await;
    world.wait_for(position).await;
    assert_eq!(world.titles().await, ["Before", "Meanwhile"]);
    assert_eq!(world.count("SELECT count(*) FROM view.parked").await, 0);
    running.stop().await;
}
