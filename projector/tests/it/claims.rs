//! Who works on what: even shares, take-over, and what happens when two believe to hold the same.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use orbit_projector::{projections, runner};
use orbit_testing::eventually;
use sqlx::AssertSqlSafe;

use crate::{
    stories::{a_life, of_task, task},
    world::{PAIRS, SOON, World},
};

/// All pairs, dealt out evenly among so many, least first.
fn even(nodes: i64) -> Vec<i64> {
    (0..nodes).map(|node| (PAIRS + node) / nodes).collect()
}

/// How many pairs each node holds, least first.
async fn shares(world: &World) -> Vec<i64> {
    let sql = "SELECT count(*) FROM pg_locks
               WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND pid IN (SELECT backend_pid FROM view.nodes)
               GROUP BY pid ORDER BY 1";
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(world.database.pool()).await.unwrap()
}

#[tokio::test]
async fn nodes_share_evenly_and_one_that_leaves_is_replaced() {
    let world = World::new().await;
    let one = world.projector().await;
    eventually(SOON, || async { shares(&world).await == [PAIRS] }).await;
    let other = world.projector().await;
    eventually(SOON, || async { shares(&world).await == even(2) }).await;
    let third = world.projector().await;
    eventually(SOON, || async { shares(&world).await == even(3) }).await;
    let user = world.user().await;
    let position = world.append(user, [(world.id(), of_task(task("Shared")))]).await;
    world.wait_for(position).await;
    one.stop().await;
    third.stop().await;
    eventually(SOON, || async { shares(&world).await == [PAIRS] }).await;
    let position = world.append(user, [(world.id(), of_task(task("Taken over")))]).await;
    world.wait_for(position).await;
    other.stop().await;
    assert_eq!(world.count("SELECT count(*) FROM view.nodes").await, 0);
}

/// The projector as a process.
struct Process(Child);

impl Process {
    fn start(world: &World) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orbit-projector"));
        command
            .env("DATABASE_URL", world.database.url())
            .env("NATS_URL", world.nats.url())
            .env("ORBIT_NATS_PREFIX", world.nats.prefix())
            .env("ORBIT_MASTER_KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")
            .env("ORBIT_PORT", "0")
            .env("ORBIT_LOG", "warn")
            .stderr(Stdio::inherit())
            .stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test]
async fn a_killed_process_is_replaced_within_seconds_and_nothing_is_lost() {
    let world = World::new().await;
    let _relay = world.relay();
    let mut doomed = Process::start(&world);
    let survivor = Process::start(&world);
    eventually(SOON, || async { shares(&world).await == even(2) }).await;
    for n in 0..40 {
        a_life(&world).await;
        if n == 20 {
            doomed.kill();
        }
    }
    let killed = Instant::now();
    world.wait_for(40 * 14).await;
    assert_eq!(shares(&world).await, [PAIRS]);
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    drop(survivor);
    world.fold_into("rebuilt").await;
    assert_eq!(world.dump("rebuilt").await, world.dump("view").await);
}

#[tokio::test]
async fn a_node_that_loses_its_locks_stops_and_begins_again() {
    let world = World::new().await;
    let _projector = world.projector().await;
    eventually(SOON, || async { shares(&world).await == [PAIRS] }).await;
    let before = world.count("SELECT min(backend_pid)::bigint FROM view.nodes").await;
    world.count("SELECT count(pg_terminate_backend(backend_pid)) FROM view.nodes").await;
    eventually(SOON, || async {
        shares(&world).await == [PAIRS]
            && world.count("SELECT min(backend_pid)::bigint FROM view.nodes").await != before
    })
    .await;
    let user = world.user().await;
    let position = world.append(user, [(world.id(), of_task(task("Still here")))]).await;
    world.wait_for(position).await;
}

#[tokio::test]
async fn two_that_fight_for_the_same_partitions_come_to_the_same_as_one() {
    let world = World::new().await;
    for _ in 0..40 {
        a_life(&world).await;
    }
    let fight = || async {
        let deps = world.deps().await;
        let mut lost = 0;
        loop {
            match runner::catch_up(&deps.pool, &deps.log, &deps.vault, projections::ALL).await {
                Ok(_) => return lost,
                Err(runner::Fault::LostClaim(_)) => lost += 1,
                Err(other) => panic!("{other}"),
            }
        }
    };
    tokio::join!(fight(), fight(), fight());
    world.fold_into("rebuilt").await;
    assert_eq!(world.dump("rebuilt").await, world.dump("view").await);
}
