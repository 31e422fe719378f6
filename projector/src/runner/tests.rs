//! The worker and what it is handed: holes, repeats, disorder, lag, and what it may believe of the feed.

use orbit_event_store::{Page, Selection, Stored};
use orbit_events::UserId;
use orbit_testing::eventually;
use tokio::sync::{Semaphore, watch};

use super::{
    LIVE,
    feed::{Coverage, Delivered, Feed},
    pulse::{Lags, Pulse},
    *,
};
use crate::{
    projection::Tables,
    projections,
    world::{PARTITIONS, Running, SOON, World},
};

/// A worker whose feed and pulse are in the test's hands.
struct Bench {
    world: World,
    user: UserId,
    shared: Arc<Shared>,
    beat: watch::Sender<Pulse>,
    running: Running,
}

impl Bench {
    /// A worker for tasks that has caught up with the log, which holds one task.
    async fn new() -> Self {
        let world = World::new().await;
        let user = world.user().await;
        let deps = world.deps().await;
        let (beat, pulses) = watch::channel(Pulse { head: deps.log.head().await.unwrap() });
        let permits = permits(&deps.pool);
        let shared = Arc::new(Shared {
            feed: Feed::new(PARTITIONS),
            deps,
            pulses,
            lags: Lags::default(),
            permits,
            live: Semaphore::new(LIVE),
        });
        let bench = Self { world, user, shared, beat, running: Running::default() };
        bench.append(1).await;
        let tasks = projections::find("tasks").unwrap();
        bench.running.0.spawn("worker", {
            let (shared, life, partition) = (bench.shared.clone(), bench.running.0.clone(), PARTITIONS.of(user));
            async move {
                tokio::select! {
                    () = life.cancelled() => {}
                    () = worker::run(shared, tasks, partition) => {}
                }
            }
        });
        bench.sees(1).await;
        bench
    }

    /// Appends tasks, one fact each; returns the position of the last.
    async fn append(&self, tasks: usize) -> i64 {
        let created = |n: usize| crate::world::created(&format!("Task {n}"));
        self.world.append(self.user, (0..tasks).map(|n| (self.world.id(), created(n)))).await
    }

    /// Hands the worker the fact at a position.
    async fn hand_out(&self, position: i64) -> bool {
        self.hand_out_as(position, 300).await
    }

    /// The same, as if the fact had so many bytes.
    async fn hand_out_as(&self, position: i64, bytes: usize) -> bool {
        let stored = self.world.log.at(position).await.unwrap().unwrap();
        let fact = Stored::open_all(vec![stored], &self.world.vault).await.unwrap().remove(0);
        let delivered = Delivered { position, previous: position - 1, fact, bytes };
        self.shared.feed.hand_out(PARTITIONS.of(self.user), delivered)
    }

    async fn pulse(&self) {
        self.beat.send_replace(Pulse { head: self.shared.deps.log.head().await.unwrap() });
    }

    /// Waits until so many tasks are in the table.
    async fn sees(&self, tasks: usize) {
        eventually(SOON, || async { self.world.titles().await.len() == tasks }).await;
    }

    /// The worker has done all it wants to for now: what it is handed next is the next thing it does.
    async fn settles_at(&self, position: i64) {
        let partition = PARTITIONS.of(self.user);
        let sql = "SELECT position FROM view.checkpoints WHERE projection = 'tasks' AND partition = $1";
        eventually(SOON, || async {
            let at: i64 = sqlx::query_scalar(sql).bind(partition).fetch_one(self.world.database.pool()).await.unwrap();
            at == position
        })
        .await;
    }
}

#[tokio::test]
async fn a_fact_that_is_handed_out_is_applied_at_once() {
    let bench = Bench::new().await;
    let position = bench.append(1).await;
    bench.hand_out(position).await;
    bench.sees(2).await;
    bench.settles_at(2).await;
}

#[tokio::test]
async fn a_hole_is_filled_from_the_log() {
    let bench = Bench::new().await;
    bench.append(5).await;
    // 2, 3 and 4 are lost. 5 says that it follows 4.
    bench.hand_out(5).await;
    bench.sees(6).await;
    bench.settles_at(6).await;
}

#[tokio::test]
async fn facts_handed_out_twice_and_out_of_order_are_applied_once_and_in_order() {
    let mut bench = Bench::new().await;
    bench.append(6).await;
    for position in [2, 2, 1, 4, 3, 3, 2, 7, 6, 1, 5] {
        bench.hand_out(position).await;
    }
    bench.sees(7).await;
    bench.settles_at(7).await;
    let last = bench.append(1).await;
    bench.hand_out(3).await;
    bench.hand_out(last).await;
    bench.sees(8).await;
    std::mem::take(&mut bench.running).stop().await;
    bench.world.fold_into("rebuilt").await;
    let tasks = |dump: Vec<(String, serde_json::Value)>| dump.into_iter().find(|(name, _)| name == "tasks");
    assert_eq!(tasks(bench.world.dump("rebuilt").await), tasks(bench.world.dump("view").await));
}

#[tokio::test]
async fn a_pulse_is_enough_when_nothing_is_handed_out() {
    let bench = Bench::new().await;
    bench.append(3).await;
    bench.pulse().await;
    bench.sees(4).await;
    bench.settles_at(4).await;
}

#[tokio::test]
async fn the_checkpoint_follows_a_feed_without_gaps_and_not_one_that_began_too_late() {
    let bench = Bench::new().await;
    let stranger = std::iter::repeat_with(|| UserId(bench.world.id()))
        .find(|other| PARTITIONS.of(*other) != PARTITIONS.of(bench.user))
        .unwrap();
    bench.world.vault.create_key(stranger).await.unwrap();
    // Facts of another partition: this worker is handed nothing, and believes the feed that nothing was for it.
    let head = bench.world.append(stranger, [(bench.world.id(), crate::world::created("Elsewhere"))]).await;
    bench.shared.feed.cover(Coverage { from: 2, upto: head });
    bench.pulse().await;
    bench.settles_at(head).await;
    // A fact of its own, and a feed that attached only after it: the log is read.
    bench.append(1).await;
    let head = bench.world.append(stranger, [(bench.world.id(), crate::world::created("Elsewhere"))]).await;
    bench.shared.feed.cover(Coverage { from: head, upto: head });
    bench.pulse().await;
    bench.sees(2).await;
    bench.settles_at(head).await;
}

#[tokio::test]
async fn a_worker_that_lags_behind_the_feed_reads_the_log() {
    let bench = Bench::new().await;
    // The tables are locked, so that the worker is stuck with its first fact while the feed goes on.
    let mut lock = bench.world.database.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE view.tasks IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let last = bench.append(2_600).await;
    for position in 2..=last {
        bench.hand_out(position).await;
    }
    lock.rollback().await.unwrap();
    bench.sees(2_601).await;
    bench.settles_at(2_601).await;
}

#[tokio::test]
async fn a_worker_that_is_stuck_among_long_facts_reads_those_that_found_no_room() {
    let bench = Bench::new().await;
    let mut lock = bench.world.database.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE view.tasks IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let last = bench.append(46).await;
    let mut taken = 0;
    for position in 2..=last {
        taken += usize::from(bench.hand_out_as(position, 1 << 20).await);
    }
    // 32 MiB and one more, besides what the worker holds already.
    assert!((33..46).contains(&taken), "{taken} of 46 were taken");
    lock.rollback().await.unwrap();
    bench.pulse().await;
    bench.sees(47).await;
    bench.settles_at(last).await;
    // There is room again.
    let next = bench.append(1).await;
    assert!(bench.hand_out(next).await);
    bench.sees(48).await;
}

#[tokio::test]
async fn the_log_is_read_in_pages_of_so_many_facts_or_bytes() {
    let world = World::new().await;
    let user = world.user().await;
    let long = "long ".repeat(200);
    let facts: Vec<_> =
        (0..20).map(|n| (world.id(), crate::world::created(if n < 10 { &long } else { "short" }))).collect();
    world.append(user, facts).await;
    let partition = PARTITIONS.of(user);
    let selection = |after| Selection { user_id: user.0, kinds: None, streams: None, after, upto: 20 };
    // The first are more than a thousand bytes each, and the others some hundreds.
    for (page, expected) in [
        (Page { facts: 100, bytes: 3_500 }, &[3, 3, 3][..]),
        (Page { facts: 100, bytes: 1 }, &[1, 1, 1]),
        (Page { facts: 7, bytes: 1 << 20 }, &[7, 7, 6]),
        (Page { facts: 100, bytes: 1 << 20 }, &[20]),
    ] {
        let (mut seen, mut sizes) = (0, vec![]);
        loop {
            let read = world.log.page(partition, seen, 20, page).await.unwrap();
            let of_user = world.log.of_user(selection(seen), page).await.unwrap();
            let positions = |facts: &[Stored]| facts.iter().map(|f| f.envelope.position).collect::<Vec<_>>();
            assert_eq!(positions(&read), positions(&of_user));
            seen = read.last().map_or(seen, |fact| fact.envelope.position);
            sizes.push(read.len());
            if !page.is_full(&read) {
                break;
            }
        }
        assert_eq!((seen, &sizes[..expected.len()]), (20, expected), "{page:?}");
    }
}

#[tokio::test]
async fn a_worker_whose_checkpoint_was_moved_by_another_begins_again_there() {
    let bench = Bench::new().await;
    bench.append(2).await;
    // Another projector has folded up to 2.
    let deps = bench.world.deps().await;
    catch_up(&deps.pool, &deps.log, &deps.vault, projections::ALL).await.unwrap();
    bench.sees(3).await;
    let last = bench.append(1).await;
    for position in [2, 3, last] {
        bench.hand_out(position).await;
    }
    bench.sees(4).await;
    bench.settles_at(last).await;
}

#[tokio::test]
async fn a_read_model_of_a_longer_log_is_left_alone() {
    let mut bench = Bench::new().await;
    std::mem::take(&mut bench.running).stop().await;
    bench.world.sql("UPDATE view.checkpoints SET position = 100").await;
    let tasks = projections::find("tasks").unwrap();
    let fault = worker::follow(&bench.shared, tasks, PARTITIONS.of(bench.user)).await;
    assert_eq!(
        fault.to_string(),
        "the checkpoint (100) is beyond the end of the log (1): the read models must be rebuilt"
    );
}

#[test]
fn waits_between_attempts_grow_to_a_limit() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let began = tokio::time::Instant::now();
            backoff.wait().await;
            waits.push(began.elapsed().as_millis());
        }
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
    });
}

#[test]
fn a_node_with_one_connection_still_works() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy("postgres://localhost")
            .unwrap()
            .into();
        assert_eq!(permits(&pool).available_permits(), 1);
    });
}

#[tokio::test]
async fn whoever_has_lost_its_claim_writes_nothing() {
    let mut bench = Bench::new().await;
    std::mem::take(&mut bench.running).stop().await;
    let (tasks, partition) = (projections::find("tasks").unwrap(), PARTITIONS.of(bench.user));
    let pool = &bench.shared.deps.pool;
    let mut rightful = Course::start(pool.clone(), tasks, partition, Tables::Serving).await.unwrap();
    let mut stale = Course::start(pool.clone(), tasks, partition, Tables::Serving).await.unwrap();
    bench.append(2).await;
    let stored = bench.world.log.partition(partition, 1, 3, 10).await.unwrap();
    let opened = Stored::open_all(stored, &bench.world.vault).await.unwrap();
    rightful.apply(&[&opened[0]], 2).await.unwrap();
    let fault = stale.apply(&[&opened[0], &opened[1]], 3).await.unwrap_err();
    assert!(matches!(fault, Fault::LostClaim(1)), "{fault}");
    assert!(matches!(stale.skip(3).await, Err(Fault::LostClaim(1))));
    bench.sees(2).await;
    bench.settles_at(2).await;
}

#[tokio::test]
async fn rows_and_checkpoint_are_written_together_or_not_at_all() {
    let mut bench = Bench::new().await;
    std::mem::take(&mut bench.running).stop().await;
    let (tasks, partition) = (projections::find("tasks").unwrap(), PARTITIONS.of(bench.user));
    bench.append(1).await;
    let stored = bench.world.log.partition(partition, 1, 2, 10).await.unwrap();
    let opened = Stored::open_all(stored, &bench.world.vault).await.unwrap();
    // The commit itself is refused: by a constraint that is only looked at then.
    bench
        .world
        .sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING ERRCODE = ''57P01''; END';
             CREATE CONSTRAINT TRIGGER late AFTER INSERT ON view.tasks DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    let mut course = Course::start(bench.shared.deps.pool.clone(), tasks, partition, Tables::Serving).await.unwrap();
    course.apply(&[&opened[0]], 2).await.unwrap_err();
    bench.sees(1).await;
    bench.settles_at(1).await;
    bench.world.sql("DROP TRIGGER late ON view.tasks").await;
    course.apply(&[&opened[0]], 2).await.unwrap();
    bench.sees(2).await;
    bench.settles_at(2).await;
}
