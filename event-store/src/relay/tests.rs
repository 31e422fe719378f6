//! Invariant 2: a message's sequence is its fact's position, whatever happens to relays, broker and database.
//! The facts are written by plain SQL: a relay asks nothing of them.

use std::{collections::HashMap, fs, path::Path};

use orbit_testing::{OwnServers, TestDatabase, TestNats, database, eventually, nats, own_servers};
use uuid::Uuid;

use super::*;

const SOON: Duration = Duration::from_secs(30);

struct Rig {
    database: TestDatabase,
    nats: TestNats,
    life: Shutdown,
    history: History,
}

impl Rig {
    async fn new() -> Self {
        Self::of(database().await, nats().await)
    }

    async fn on(own: &OwnServers) -> Self {
        Self::of(own.database().await, own.nats().await)
    }

    fn of(database: TestDatabase, nats: TestNats) -> Self {
        // The stream of a test may take what the server's disk gives; reserve nothing.
        let history = History { bytes: 64 * 1024 * 1024, ..History::default() };
        Self { database, nats, life: Shutdown::new(), history }
    }

    /// Starts a relay that heeds only the lock of this number: with different numbers, several lead at once.
    fn relay(&self, lock: i64) -> Shutdown {
        let relay =
            Relay::new(self.database.pool().into(), self.nats.client().clone(), self.nats.prefix(), self.history);
        let life = self.life.child();
        life.spawn("relay", Relay { lock, ..relay }.run(life.clone()));
        life
    }

    async fn append(&self, facts: i64) {
        self.append_large(facts, 0).await;
    }

    /// Facts with so many bytes more.
    async fn append_large(&self, facts: i64, bytes: i32) {
        let sql = "WITH head AS (UPDATE log.head SET position = position + $1 RETURNING position - $1 AS base)
                   INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                           schema_version, data, metadata, recorded_at)
                   SELECT base + n, uuidv7(), ('00000000-0000-0000-0000-00000000000' || n % 8)::uuid, n % 8, 'labels',
                          uuidv7(), 1, 'labels.created', 1, sha512(n::text::bytea) || repeat('x', $2)::bytea,
                          '{\"actor\": {\"type\": \"user\"}, \"correlation_id\": \"00000000-0000-0000-0000-000000000000\"}',
                          now()
                   FROM head, generate_series(1, $1) n";
        sqlx::query(sql).bind(facts).bind(bytes).execute(self.database.pool()).await.unwrap();
        let _ = self.nats.client().publish(subjects::appended(self.nats.prefix()), "".into()).await;
    }

    /// A steady stream of facts, while something else happens.
    async fn under_load<T>(&self, something: impl Future<Output = T>) -> T {
        let over = std::cell::Cell::new(false);
        let load = async {
            while !over.get() {
                self.append(20).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let something = async {
            let done = something.await;
            over.set(true);
            done
        };
        tokio::join!(something, load).0
    }

    async fn head(&self) -> crate::Head {
        Log::new(self.database.pool().into()).head().await.unwrap()
    }

    async fn stream(&self) -> Option<jetstream::stream::Stream> {
        let name = subjects::stream_name(self.nats.prefix(), self.head().await.epoch);
        self.nats.jetstream().get_stream(name).await.ok()
    }

    /// Boxed: it is large, and futures that hold it are larger.
    fn delete_stream(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            let name = self.stream().await.unwrap().cached_info().config.name.clone();
            self.nats.jetstream().delete_stream(name).await.unwrap();
        })
    }

    async fn state(&self) -> Option<jetstream::stream::State> {
        Some(self.stream().await?.get_info().await.ok()?.state)
    }

    async fn relayed(&self, position: i64) {
        let position = u64::try_from(position).unwrap();
        eventually(SOON, || async { self.state().await.filter(|state| state.last_sequence >= position) }).await;
    }

    /// Waits until all is relayed, and holds every message to the log; gives the first sequence and how many are missing.
    async fn assert_in_step(&self) -> (u64, usize) {
        let head = self.head().await.position;
        self.relayed(head).await;
        let facts: Vec<(i64, Uuid, i16)> =
            sqlx::query_as("SELECT position, event_id, partition FROM log.events ORDER BY position")
                .fetch_all(self.database.pool())
                .await
                .unwrap();
        assert_eq!(i64::try_from(facts.len()).unwrap(), head);
        let stream = self.stream().await.unwrap();
        let state = stream.get_info().await.unwrap().state;
        assert_eq!(
            state.last_sequence,
            u64::try_from(head).unwrap(),
            "nothing is in the stream that is not in the log"
        );
        let (mut previous, mut missing) = (HashMap::new(), 0);
        for (position, event_id, partition) in facts {
            let sequence = u64::try_from(position).unwrap();
            let before = previous.insert(partition, position).unwrap_or(0);
            if sequence < state.first_sequence {
                continue;
            }
            let Ok(message) = stream.direct_get(sequence).await else {
                missing += 1;
                continue;
            };
            let Incoming { stored, previous } =
                parse(&message.subject, &message.headers, &message.payload, message.sequence).unwrap();
            assert_eq!((stored.envelope.position, stored.envelope.event_id.0), (position, event_id));
            assert_eq!(stored.partition, partition);
            assert!(previous == before || previous == 0, "position {position} follows {before}, not {previous}");
        }
        assert_eq!(state.messages, state.last_sequence + 1 - state.first_sequence - missing as u64);
        (state.first_sequence, missing)
    }

    async fn stop(self) {
        self.life.finish(SOON).await.unwrap();
    }

    /// What a backup of an earlier time gives back: the log ends at `position`, and knows nothing of what came after.
    async fn restore(&self, position: i64) {
        let mut transaction = self.database.pool().begin().await.unwrap();
        sqlx::raw_sql("SET LOCAL session_replication_role = replica").execute(&mut *transaction).await.unwrap();
        for sql in ["DELETE FROM log.events WHERE position > $1", "UPDATE log.head SET position = $1"] {
            sqlx::query(sql).bind(position).execute(&mut *transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
}

#[tokio::test]
async fn every_fact_is_relayed_once_in_its_place_though_two_relays_lead_at_once() {
    let rig = Rig::new().await;
    rig.append(500).await;
    let epoch = rig.head().await.epoch;
    let _relays = [rig.relay(1), rig.relay(2)];
    let both = "SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid IN (1, 2)
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    rig.under_load(async {
        eventually(SOON, || async {
            sqlx::query_scalar::<_, bool>(both).fetch_one(rig.database.pool()).await.unwrap()
        })
        .await;
        for goal in [1_000, 2_000, 3_000] {
            rig.relayed(goal).await;
        }
    })
    .await;
    assert_eq!(rig.assert_in_step().await, (1, 0));
    assert_eq!(rig.head().await.epoch, epoch, "nobody took the other's haste for a restored database");
    rig.stop().await;
}

#[tokio::test]
async fn facts_as_large_as_they_may_be_are_relayed_among_small_ones() {
    let rig = Rig::new().await;
    rig.append(10).await;
    rig.append_large(20, 1_000_000).await;
    rig.append(10).await;
    rig.relay(1);
    assert_eq!(rig.assert_in_step().await, (1, 0));
    rig.append_large(5, 1_000_000).await;
    assert_eq!(rig.assert_in_step().await, (1, 0));
    rig.stop().await;
}

#[tokio::test]
async fn who_looks_at_the_stream_while_another_publishes_does_not_think_the_database_restored() {
    let rig = Rig::new().await;
    rig.append(10).await;
    let epoch = rig.head().await.epoch;
    rig.relay(1);
    rig.relayed(10).await;
    let (jetstream, log) = (rig.nats.jetstream(), Log::new(rig.database.pool().into()));
    rig.under_load(async {
        for _ in 0..80 {
            Box::pin(stream::ensure(&jetstream, &log, rig.nats.prefix(), rig.history)).await.unwrap();
        }
    })
    .await;
    assert_eq!(rig.head().await.epoch, epoch);
    assert_eq!(rig.assert_in_step().await, (1, 0));
    rig.stop().await;
}

#[tokio::test]
async fn a_relay_that_waits_takes_over_when_the_active_one_ends() {
    let rig = Rig::new().await;
    rig.append(10).await;
    let (first, _second) = (rig.relay(LOCK), rig.relay(LOCK));
    rig.relayed(10).await;
    first.trigger();
    rig.append(10).await;
    rig.relayed(20).await;
    assert_eq!(rig.assert_in_step().await, (1, 0));
    rig.stop().await;
}

#[tokio::test]
async fn relays_that_are_killed_in_the_middle_of_a_batch_leave_no_hole_and_no_double() {
    let rig = Rig::new().await;
    rig.append(5_000).await;
    for n in 0..8 {
        let relay = rig.relay(n);
        // Somewhere within its batch.
        rig.relayed(300 * (n + 1)).await;
        relay.trigger();
        rig.append(100).await;
    }
    rig.relay(100);
    assert_eq!(rig.assert_in_step().await, (1, 0));
    rig.stop().await;
}

#[tokio::test]
async fn lost_acks_and_lost_messages_are_made_up_for() {
    let rig = Rig::new().await;
    rig.append(1_000).await;
    rig.relay(1);
    rig.under_load(async {
        for n in 1..=3 {
            rig.relayed(300 * n).await;
            // What was on its way, in either direction, is gone.
            rig.nats.client().force_reconnect().await.unwrap();
        }
    })
    .await;
    assert_eq!(rig.assert_in_step().await, (1, 0));
    rig.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_deleted_under_load_comes_back_with_the_same_sequences() {
    let rig = Rig::new().await;
    rig.append(200).await;
    rig.relay(1);
    rig.under_load(async {
        for n in 1..=3 {
            rig.relayed(200 * n).await;
            rig.delete_stream().await;
        }
        rig.relayed(1_000).await;
    })
    .await;
    assert_eq!(rig.assert_in_step().await, (1, 0));
    rig.stop().await;
}

#[tokio::test]
async fn a_relay_with_nothing_to_do_notices_that_its_stream_is_gone() {
    let rig = Rig::new().await;
    rig.relay(1);
    rig.append(20).await;
    rig.relayed(20).await;
    rig.delete_stream().await;
    rig.relayed(20).await;
    assert_eq!(rig.assert_in_step().await, (1, 0), "it is back, with all facts, though nothing was appended");
    rig.stop().await;
}

#[tokio::test]
async fn a_stream_keeps_as_much_as_the_relay_is_told_when_it_starts() {
    let mut rig = Rig::new().await;
    let first = rig.relay(1);
    rig.append(20).await;
    rig.relayed(20).await;
    first.finish(SOON).await.unwrap();
    rig.history.messages = 10;
    rig.relay(2);
    eventually(SOON, || async { rig.state().await.filter(|state| state.first_sequence == 11) }).await;
    assert_eq!(rig.assert_in_step().await, (11, 0));
    rig.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_purged_under_load_goes_on_where_the_log_is() {
    let rig = Rig::new().await;
    rig.append(200).await;
    rig.relay(1);
    rig.under_load(async {
        rig.relayed(200).await;
        rig.stream().await.unwrap().purge().await.unwrap();
        rig.relayed(600).await;
    })
    .await;
    let (first, missing) = rig.assert_in_step().await;
    assert!(first > 200 && missing == 0, "{first} {missing}");
    rig.stop().await;
}

#[tokio::test]
async fn a_recreated_stream_begins_where_its_history_reaches_to() {
    let mut rig = Rig::new().await;
    rig.history.messages = 100;
    rig.append(250).await;
    let relay = rig.relay(1);
    assert_eq!(rig.assert_in_step().await, (151, 0), "an old log, a new broker");
    relay.finish(SOON).await.unwrap();
    rig.delete_stream().await;
    rig.append(50).await;
    rig.relay(2);
    assert_eq!(rig.assert_in_step().await, (201, 0));
    assert_eq!(rig.stream().await.unwrap().cached_info().config.first_sequence, Some(201));
    rig.stop().await;
}

#[tokio::test]
async fn nats_may_be_killed_and_lose_its_data_under_load() {
    let own = own_servers().await;
    let rig = Rig::on(&own).await;
    rig.append(500).await;
    rig.relay(1);
    rig.under_load(async {
        rig.relayed(500).await;
        own.kill_nats().await.unwrap();
        own.start_nats().await.unwrap();
        rig.relayed(1_000).await;
        own.kill_nats().await.unwrap();
        fs::remove_dir_all(own.nats_data_dir().join("jetstream")).unwrap();
        own.start_nats().await.unwrap();
        rig.relayed(1_500).await;
        own.kill_nats().await.unwrap();
        assert!(truncate(&own.nats_data_dir()) > 0, "there is something to lose");
        own.start_nats().await.unwrap();
        rig.relayed(2_000).await;
    })
    .await;
    let (first, missing) = rig.assert_in_step().await;
    assert_eq!(first, 1);
    assert!(missing < 2_000, "{missing}");
    rig.stop().await;
    own.stop().await;
}

/// Cuts the newest messages off the stream's blocks, as a disk that did not get them would; how many files that were.
fn truncate(dir: &Path) -> usize {
    let mut cut = 0;
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            cut += truncate(&path);
        } else if path.extension().is_some_and(|extension| extension == "blk") {
            let length = entry.metadata().unwrap().len();
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length * 2 / 3).unwrap();
            cut += 1;
        } else if path.file_name().is_some_and(|name| name == "index.db") {
            fs::remove_file(&path).unwrap();
        }
    }
    cut
}

#[tokio::test]
async fn a_restored_database_gets_a_new_epoch_and_its_stream_tells_what_the_log_tells() {
    let rig = Rig::new().await;
    rig.append(300).await;
    // Fewer facts than the stream has; other facts up to beyond it; other facts up to exactly there.
    for (back_to, then) in [(200, 0), (100, 400), (450, 50)] {
        let before = rig.head().await;
        let relay = rig.relay(LOCK);
        rig.assert_in_step().await;
        let old = rig.stream().await.unwrap().cached_info().config.name.clone();
        relay.finish(SOON).await.unwrap();
        rig.restore(back_to).await;
        if then > 0 {
            rig.append(then).await;
        }
        let relay = rig.relay(LOCK);
        eventually(SOON, || async { rig.head().await.epoch != before.epoch }).await;
        assert_eq!(rig.assert_in_step().await, (1, 0));
        assert!(rig.nats.jetstream().get_stream(&old).await.is_err(), "a past that did not happen is gone");
        relay.finish(SOON).await.unwrap();
    }
    rig.stop().await;
}

#[tokio::test]
async fn relays_that_start_over_keep_the_epoch() {
    let rig = Rig::new().await;
    let epoch = rig.head().await.epoch;
    for n in 0..5 {
        let relay = rig.relay(LOCK);
        rig.append(n * 7).await;
        rig.assert_in_step().await;
        relay.finish(SOON).await.unwrap();
    }
    assert_eq!(rig.head().await.epoch, epoch);
    rig.stop().await;
}

#[tokio::test]
async fn what_an_earlier_epoch_left_on_its_way_does_not_get_into_the_stream_of_this_one() {
    let rig = Rig::new().await;
    rig.append(10).await;
    let relay = rig.relay(LOCK);
    rig.assert_in_step().await;
    relay.finish(SOON).await.unwrap();
    let mut connection = rig.database.pool().acquire().await.unwrap();
    let stale = read(&mut connection, 9).await.unwrap().pop().unwrap();
    let old = rig.stream().await.unwrap().cached_info().config.name.clone();
    rig.restore(9).await;
    let relay = rig.relay(LOCK);
    eventually(SOON, || async { rig.stream().await.is_some_and(|stream| stream.cached_info().config.name != old) })
        .await;
    rig.assert_in_step().await;
    let (subject, headers, payload) = message::message(&stale, rig.nats.prefix(), &old, 0);
    let told = rig.nats.client().request_with_headers(subject, headers, payload).await.unwrap();
    assert!(String::from_utf8_lossy(&told.payload).contains("expected stream does not match"), "{told:?}");
    rig.append(1).await;
    assert_eq!(rig.assert_in_step().await, (1, 0));
    drop((relay, connection));
    rig.stop().await;
}
