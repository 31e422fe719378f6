//! What is changed in a log behind its back is found, and the first bad position is named. The facts are written by plain
//! SQL: a sealer asks nothing of them.

use std::time::Duration;

use orbit_events::{Partitions, UserId};
use orbit_platform::{clock::Clock, shutdown::Shutdown, signing::SigningKey};
use orbit_testing::{TestDatabase, database, eventually};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::{
    Seal,
    note::{Checkpoint, VerifierKey},
    prove,
    sealer::Sealer,
    tree,
    verify::{Check, Question, Verdict, verify},
};
use crate::{
    appended::Appended,
    batch::{Request, SealedFact, Write},
};

const SOON: Duration = Duration::from_secs(30);
/// What a sealer may be behind the head.
const BEHIND: Duration = Duration::from_secs(2);

struct Rig {
    database: TestDatabase,
    key: SigningKey,
    life: Shutdown,
}

impl Rig {
    /// A log of so many facts, sealed.
    async fn sealed(facts: i64) -> Self {
        let rig = Self::empty().await;
        rig.append(facts).await;
        rig.sealer(1);
        rig.wait(facts).await;
        rig
    }

    async fn empty() -> Self {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        Self { database: database().await, key, life: Shutdown::new() }
    }

    /// Starts a sealer that heeds the lock of this number: with different numbers, several lead at once.
    fn sealer(&self, lock: i64) -> Shutdown {
        let sealer = Sealer::new(self.database.pool().into(), self.key.clone(), Clock::system());
        let life = self.life.child();
        life.spawn("sealer", sealer.heeding(lock).run(life.clone()));
        life
    }

    /// Facts in streams of five.
    async fn append(&self, facts: i64) {
        let user = Uuid::from_u128(0xada);
        let sql = "WITH head AS (UPDATE log.head SET position = position + $1 RETURNING position - $1 AS base),
                        streams AS (INSERT INTO log.streams (stream_id, category, user_id, version)
                                    SELECT md5((base + k * 5)::text)::uuid, 'labels', $2, 5
                                    FROM head, generate_series(0, $1 / 5 - 1) k)
                   INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                           schema_version, data, metadata, recorded_at)
                   SELECT base + n, uuidv7(), $2, $3, 'labels', md5((base + (n - 1) / 5 * 5)::text)::uuid,
                          1 + (n - 1) % 5, 'labels.renamed', 1, sha512(n::text::bytea),
                          '{\"actor\": {\"type\": \"user\"}, \"correlation_id\": \"00000000-0000-0000-0000-000000000000\"}',
                          now()
                   FROM head, generate_series(1, $1) n";
        let partition = Partitions::DEFAULT.of(UserId(user));
        sqlx::query(sql).bind(facts).bind(user).bind(partition).execute(self.database.pool()).await.unwrap();
    }

    /// As a superuser who does not want to be stopped.
    async fn tamper(&self, sql: &str) {
        let sql = format!("BEGIN; ALTER TABLE log.events DISABLE TRIGGER ALL; {sql}; COMMIT");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.database.pool()).await.unwrap();
    }

    async fn connection(&self) -> PgConnection {
        PgConnection::connect(self.database.url()).await.unwrap()
    }

    async fn newest(&self) -> Option<Seal> {
        Seal::newest(&mut self.connection().await).await.unwrap()
    }

    /// Waits until a position is sealed.
    async fn wait(&self, position: i64) -> Seal {
        eventually(SOON, || async { self.newest().await.filter(|seal| seal.size >= position) }).await
    }

    async fn verify(&self) -> Verdict {
        self.ask(Question { trusted: vec![self.key.public()], ..Question::default() }).await
    }

    async fn ask(&self, question: Question) -> Verdict {
        verify(&mut self.connection().await, &question, |_| {}).await.unwrap()
    }

    /// Everything is well, up to this position.
    async fn assert_sound(&self, facts: i64) {
        let verdict = self.verify().await;
        assert_eq!(verdict.defects, [], "{verdict:?}");
        assert_eq!((verdict.facts, verdict.head, verdict.sealed), (facts, facts, facts));
    }

    /// The first bad position is this one, and this is what it belongs to.
    async fn assert_found(&self, check: Check, position: i64) -> Verdict {
        let verdict = self.verify().await;
        assert_eq!(verdict.first_bad(), Some(position), "{verdict:?}");
        assert_eq!(verdict.wrong(check).and_then(|defect| defect.position), Some(position), "{verdict:?}");
        verdict
    }

    async fn stop(self) {
        self.life.finish(SOON).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_appended_is_sealed_and_everything_fits() {
    let rig = Rig::empty().await;
    rig.sealer(1);
    // Before there is anything, that there is nothing is signed.
    assert_eq!(rig.wait(0).await.root, tree::empty_root());
    for facts in [5, 250, 5, 1_000, 10_000] {
        rig.append(facts).await;
        let head = rig.verify().await.head;
        let sealed = eventually(SOON, || async { rig.newest().await.filter(|seal| seal.size >= head) });
        sealed.await;
    }
    rig.assert_sound(11_260).await;
    assert_eq!(rig.verify().await.streams, 2_252);
    rig.stop().await;
}

#[tokio::test]
async fn a_checkpoint_is_never_long_behind_the_head_while_facts_come_in() {
    let rig = Rig::empty().await;
    rig.sealer(1);
    rig.wait(0).await;
    for head in (1..=40).map(|n| n * 20) {
        rig.append(20).await;
        // The bound, and patience for a machine on which other tests run.
        let sealed = eventually(BEHIND + SOON, || async { rig.newest().await.filter(|seal| seal.size >= head) });
        if head % 200 == 0 {
            sealed.await;
        }
    }
    rig.assert_sound(800).await;
    rig.stop().await;
}

#[tokio::test]
async fn one_byte_of_an_old_fact_that_was_changed_is_found() {
    let rig = Rig::sealed(1_300).await;
    rig.tamper("UPDATE log.events SET data = set_byte(data, 20, get_byte(data, 20) # 1) WHERE position = 417").await;
    let verdict = rig.assert_found(Check::Facts, 417).await;
    assert_eq!(verdict.defects.len(), 1, "{verdict:?}");
    assert!(verdict.defects[0].says.contains("not the one that was sealed"), "{verdict:?}");
    rig.stop().await;
}

#[tokio::test]
async fn whatever_is_changed_of_a_fact_is_found() {
    for change in [
        "event_id = uuidv7()",
        "user_id = uuidv7()",
        "partition = partition + 1",
        "category = 'lists'",
        "stream_id = uuidv7()",
        "version = 9",
        "type = 'labels.recoloured'",
        "schema_version = 2",
        "metadata = jsonb_set(metadata, '{actor,type}', '\"agent\"')",
        "recorded_at = recorded_at + interval '1 microsecond'",
    ] {
        let rig = Rig::sealed(300).await;
        rig.tamper(&format!("UPDATE log.events SET {change} WHERE position = 258")).await;
        let verdict = rig.verify().await;
        assert_eq!(verdict.wrong(Check::Facts).and_then(|wrong| wrong.position), Some(258), "{change}: {verdict:?}");
        assert!(verdict.first_bad() <= Some(258), "{change}: {verdict:?}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_fact_that_was_deleted_is_found() {
    let rig = Rig::sealed(1_300).await;
    rig.tamper("DELETE FROM log.events WHERE position = 600").await;
    let verdict = rig.assert_found(Check::Positions, 600).await;
    // The last one of its stream: the stream tells too.
    assert!(verdict.wrong(Check::Streams).is_some() && verdict.wrong(Check::Facts).is_none(), "{verdict:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_fact_that_was_deleted_and_whose_successors_moved_up_is_found() {
    let rig = Rig::sealed(600).await;
    rig.tamper(
        "DELETE FROM log.events WHERE position = 433;
         UPDATE log.events SET position = -position WHERE position > 433;
         UPDATE log.events SET position = -position - 1 WHERE position < 0;
         UPDATE log.head SET position = position - 1",
    )
    .await;
    rig.assert_found(Check::Facts, 433).await;
    rig.stop().await;
}

#[tokio::test]
async fn two_facts_that_changed_places_are_found() {
    let rig = Rig::sealed(1_300).await;
    rig.tamper(
        "UPDATE log.events SET position = 0 WHERE position = 301;
         UPDATE log.events SET position = 301 WHERE position = 902;
         UPDATE log.events SET position = 902 WHERE position = 0",
    )
    .await;
    let verdict = rig.assert_found(Check::Facts, 301).await;
    let changed = verdict.defects.iter().filter(|defect| defect.check == Check::Facts);
    let positions: Vec<_> = changed.filter_map(|defect| defect.position).collect();
    assert_eq!(positions, [301, 902], "{verdict:?}");
    rig.stop().await;
}

#[tokio::test]
async fn the_end_of_the_log_that_was_cut_off_is_found() {
    let rig = Rig::sealed(600).await;
    rig.tamper("DELETE FROM log.events WHERE position > 590; UPDATE log.head SET position = 590").await;
    rig.assert_found(Check::Positions, 591).await;
    rig.tamper("UPDATE log.head SET position = 2000000000").await;
    rig.assert_found(Check::Positions, 591).await;
    rig.tamper("UPDATE log.head SET position = 580").await;
    rig.assert_found(Check::Positions, 581).await;
    rig.stop().await;
}

#[tokio::test]
async fn tiles_that_were_cut_changed_or_deleted_are_found_and_the_facts_are_not_blamed() {
    for (sql, position) in [
        ("UPDATE log.tiles SET hashes = substr(hashes, 1, 64) WHERE level = 0 AND index = 2", 515),
        (
            "UPDATE log.tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE level = 0 AND index = 1",
            258,
        ),
        ("DELETE FROM log.tiles WHERE level = 0 AND index = 3", 769),
        ("UPDATE log.tiles SET hashes = set_byte(hashes, 64, get_byte(hashes, 64) # 1) WHERE level = 1", 513),
        ("DELETE FROM log.tiles WHERE level = 1", 1),
    ] {
        let rig = Rig::sealed(1_300).await;
        rig.tamper(sql).await;
        let verdict = rig.assert_found(Check::Tree, position).await;
        assert!(verdict.wrong(Check::Facts).is_none(), "{sql}: {verdict:?}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_changed_is_found() {
    for sql in [
        "UPDATE log.seals SET note = replace(note, '300', '301')",
        "UPDATE log.seals SET note = replace(note, 'orbit/', 'other/')",
        "UPDATE log.seals SET verifier = 'me'",
        "UPDATE log.seals SET root = sha256('something else')",
    ] {
        let rig = Rig::sealed(300).await;
        rig.tamper(sql).await;
        let verdict = rig.verify().await;
        assert!(verdict.wrong(Check::Checkpoints).is_some(), "{sql}: {verdict:?}");
        rig.stop().await;
    }
}

/// Somebody who makes the whole tree anew over a changed log is given away by the key, or if they have that too, by
/// a checkpoint that was kept elsewhere.
#[tokio::test]
async fn a_history_that_was_written_anew_is_given_away_by_the_key_or_by_a_witness() {
    let mut rig = Rig::sealed(600).await;
    let kept = Checkpoint::peek(&rig.wait(600).await.note).unwrap();
    let (honest, witnessed) = (rig.key.public(), vec![kept]);
    let rewrite = "UPDATE log.events SET data = 'x' WHERE position = 77; TRUNCATE log.tiles, log.seals";

    rig.life.finish(SOON).await.unwrap();
    rig.life = Shutdown::new();
    rig.tamper(rewrite).await;
    rig.key = SigningKey::from_seed(&[8; 32]).unwrap();
    rig.sealer(1);
    rig.wait(600).await;
    // Held to the key that lies beside it, everything fits: such a look proves nothing.
    assert_eq!(rig.ask(Question::default()).await.defects, []);
    let verdict = rig.ask(Question { trusted: vec![honest], ..Question::default() }).await;
    assert!(verdict.wrong(Check::Checkpoints).unwrap().says.contains("not trusted"), "{verdict:?}");

    rig.life.finish(SOON).await.unwrap();
    rig.life = Shutdown::new();
    rig.tamper("TRUNCATE log.tiles, log.seals").await;
    rig.key = SigningKey::from_seed(&[7; 32]).unwrap();
    rig.sealer(1);
    rig.wait(600).await;
    assert_eq!(rig.verify().await.defects, [], "with the key everything fits");
    let verdict = rig.ask(Question { trusted: vec![honest], witnessed, ..Question::default() }).await;
    let wrong = verdict.wrong(Check::Witness).unwrap();
    assert_eq!(wrong.position, Some(1), "{verdict:?}");
    assert!(wrong.says.contains("one of the positions 1 to 600 was changed"), "{verdict:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_look_at_the_newer_part_needs_no_look_at_the_older() {
    let rig = Rig::sealed(1_300).await;
    let verdict = rig.ask(Question { from: 1_000, ..Question::default() }).await;
    assert_eq!((verdict.from, verdict.facts, verdict.defects.len()), (769, 532, 0), "{verdict:?}");
    rig.tamper("UPDATE log.events SET data = 'x' WHERE position IN (100, 1100)").await;
    let verdict = rig.ask(Question { from: 1_000, ..Question::default() }).await;
    assert_eq!(verdict.first_bad(), Some(1_100), "{verdict:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_sealer_that_is_killed_in_the_middle_and_several_at_once_leave_one_tree() {
    let rig = Rig::empty().await;
    for round in 0..10 {
        let (one, other) = (rig.sealer(1), rig.sealer(2));
        rig.append(2_005).await;
        rig.append(5).await;
        // Wherever they are.
        let stop = if round % 2 == 0 { one } else { other };
        stop.trigger();
    }
    rig.wait(20_100).await;
    rig.assert_sound(20_100).await;
    rig.stop().await;
}

/// As when the past of the log was restored under a process that had appended more.
#[tokio::test]
async fn what_was_appended_and_is_not_in_the_log_is_not_sealed() {
    let rig = Rig::empty().await;
    let own = Appended::new(0);
    let sealer = Sealer::following(own.clone(), rig.database.pool().into(), rig.key.clone(), Clock::system());
    rig.life.spawn("sealer", sealer.run(rig.life.clone()));
    rig.wait(0).await;
    let fact = |n| SealedFact {
        event_id: Uuid::from_u128(n),
        wire_type: "labels.renamed",
        schema_version: 1,
        data: vec![1],
        metadata: "{}".into(),
        at: chrono::DateTime::UNIX_EPOCH,
    };
    let write = Write {
        stream_id: Uuid::from_u128(1),
        category: "labels",
        user_id: Uuid::from_u128(0xada),
        partition: 0,
        expected: 0,
        facts: (1..=10).map(fact).collect(),
    };
    own.tell(0, vec![Request { writes: vec![write], ..Request::default() }]);
    rig.append(10).await;
    rig.wait(10).await;
    rig.assert_sound(10).await;
    rig.stop().await;
}

#[tokio::test]
async fn nothing_is_signed_over_a_hole_a_cut_or_a_damaged_tree() {
    let rig = Rig::sealed(300).await;
    rig.life.finish(SOON).await.unwrap();
    let stands = |rig: Rig, why: &'static str| async move {
        rig.append(10).await;
        let sealer = Sealer::new(rig.database.pool().into(), rig.key.clone(), Clock::system()).heeding(1);
        let fault = tokio::time::timeout(SOON, sealer.first_fault()).await.unwrap().to_string();
        assert!(fault.contains(why), "{fault}");
        assert_eq!(rig.newest().await.unwrap().size, 300);
        rig
    };
    rig.tamper("DELETE FROM log.events WHERE position = 305; CREATE TABLE tiles_before AS TABLE log.tiles").await;
    rig.append(10).await;
    rig.tamper("DELETE FROM log.events WHERE position = 305").await;
    let rig = stands(rig, "position 305 is missing").await;
    rig.tamper("UPDATE log.tiles SET hashes = substr(hashes, 1, 32) WHERE level = 0 AND index = 1").await;
    let rig = stands(rig, "do not give the root").await;
    rig.tamper(
        "UPDATE log.tiles t SET hashes = b.hashes FROM tiles_before b WHERE b.level = t.level AND b.index = t.index",
    )
    .await;
    rig.tamper("DELETE FROM log.events WHERE position > 200; UPDATE log.head SET position = 200; TRUNCATE log.streams")
        .await;
    stands(rig, "ends at 210, and 300 positions were sealed").await;
}

#[tokio::test]
async fn a_restored_log_goes_on_under_another_name_and_a_new_key_signs_anew() {
    let mut rig = Rig::sealed(300).await;
    let before = rig.wait(300).await;
    rig.tamper("UPDATE log.head SET epoch = uuidv7()").await;
    let origins = |seal: &Seal| Checkpoint::peek(&seal.note).unwrap().origin;
    let renamed =
        eventually(SOON, || async { rig.newest().await.filter(|seal| seal.verifier != before.verifier) }).await;
    assert_eq!((renamed.size, renamed.root), (300, before.root), "the tree stays");
    assert_ne!(origins(&renamed), origins(&before));

    rig.life.finish(SOON).await.unwrap();
    (rig.life, rig.key) = (Shutdown::new(), SigningKey::from_seed(&[9; 32]).unwrap());
    rig.sealer(1);
    let signed =
        eventually(SOON, || async { rig.newest().await.filter(|seal| seal.verifier != renamed.verifier) }).await;
    assert_eq!((signed.size, origins(&signed)), (300, origins(&renamed)));
    let keys = [VerifierKey::of(&rig.key, origins(&signed))];
    assert_eq!(Checkpoint::open(&signed.note, &keys).unwrap().0.root, before.root);
    assert_eq!(rig.ask(Question::default()).await.defects, [], "each checkpoint fits its own key");
    rig.stop().await;
}

#[tokio::test]
async fn every_fact_and_every_earlier_tree_can_be_proved() {
    let rig = Rig::sealed(700).await;
    let seal = rig.wait(700).await;
    let mut connection = rig.connection().await;
    for position in [1, 2, 255, 256, 257, 512, 513, 699, 700] {
        let proof = prove::inclusion(&mut connection, position, 700).await.unwrap();
        assert!(tree::proves_inclusion(proof.leaf_index, 700, &proof.leaf_hash, &proof.hashes, &seal.root));
        let leaf = super::leaf::Leaf::find(&mut connection, Uuid::from_u128(0xada), position).await.unwrap().unwrap();
        assert_eq!(leaf.hash(), Some(proof.leaf_hash), "the fact is the leaf");
        let root = prove::root(&mut connection, position).await.unwrap();
        let proof = prove::consistency(&mut connection, position, 700).await.unwrap();
        assert!(tree::proves_consistency(position.unsigned_abs(), 700, &root, &seal.root, &proof));
    }
    assert!(prove::inclusion(&mut connection, 701, 701).await.is_err(), "not sealed");
    rig.stop().await;
}

#[tokio::test]
async fn of_earlier_hours_one_checkpoint_stays() {
    let rig = Rig::sealed(5).await;
    rig.life.finish(SOON).await.unwrap();
    rig.tamper(
        "DELETE FROM log.seals WHERE size = 0;
         INSERT INTO log.seals SELECT 1000 + n, verifier, root, note, '2026-11-22T10:00:00Z'::timestamptz + n * interval '10 minutes'
         FROM log.seals, generate_series(0, 11) n WHERE size = 5",
    )
    .await;
    let now = "2026-11-22T12:10:00Z".parse().unwrap();
    let mut connection = rig.connection().await;
    assert_eq!(Seal::thin_out(&mut connection, now).await.unwrap(), 6, "five of the first hour, one of the second");
    assert_eq!(Seal::thin_out(&mut connection, now).await.unwrap(), 0);
    let left: Vec<i64> =
        Seal::after(&mut connection, 999, "", 100).await.unwrap().iter().map(|seal| seal.size).collect();
    assert_eq!(left, [1_005, 1_007, 1_008, 1_009, 1_010, 1_011]);
}
