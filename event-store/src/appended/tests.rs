use chrono::DateTime;
use uuid::Uuid;

use super::*;
use crate::batch::{SealedFact, Write};

fn request(streams: u128, facts: usize, bytes: usize) -> Request {
    let fact = || SealedFact {
        event_id: Uuid::from_u128(7),
        wire_type: "labels.created",
        schema_version: 1,
        data: vec![0; bytes],
        metadata: "{}".into(),
        at: DateTime::UNIX_EPOCH,
    };
    let write = |stream| Write {
        stream_id: Uuid::from_u128(stream),
        category: "labels",
        user_id: Uuid::from_u128(1),
        partition: 3,
        expected: 4,
        facts: (0..facts).map(|_| fact()).collect(),
    };
    Request { writes: (0..streams).map(write).collect(), ..Request::default() }
}

fn positions(taken: &[Arc<Outgoing>]) -> Vec<i64> {
    taken.iter().map(|fact| fact.position).collect()
}

#[test]
fn facts_are_told_in_the_order_of_their_positions_and_each_once() {
    let appended = Appended::new(10);
    let reader = appended.reader();
    appended.tell(10, vec![request(2, 2, 1), request(0, 0, 1), request(1, 1, 1)]);
    let first = reader.take(10, 2);
    let told: Vec<_> = first.iter().map(|f| (f.position, f.stream_id.as_u128(), f.version, f.partition)).collect();
    assert_eq!(told, [(11, 0, 5, 3), (12, 0, 6, 3)]);
    let rest = reader.take(12, 100);
    let told: Vec<_> = rest.iter().map(|f| (f.position, f.stream_id.as_u128(), f.version)).collect();
    assert_eq!(told, [(13, 1, 5), (14, 1, 6), (15, 0, 5)]);
    assert!(reader.take(15, 100).is_empty());
    assert_eq!(*appended.subscribe().borrow(), 15);
}

#[test]
fn what_others_appended_in_between_is_a_gap_and_what_is_behind_it_waits() {
    let appended = Appended::new(0);
    let reader = appended.reader();
    appended.tell(5, vec![request(1, 2, 1)]);
    assert!(reader.take(0, 100).is_empty(), "1 to 5 are somebody else's");
    // Lanes are heard of out of order.
    appended.tell(3, vec![request(1, 1, 1)]);
    assert_eq!(positions(&reader.take(3, 100)), [4], "5 is missing");
    assert_eq!(positions(&reader.take(5, 100)), [6, 7]);
    appended.tell(7, vec![request(1, 3, 1)]);
    assert_eq!(positions(&reader.take(9, 100)), [10], "8 and 9 came from the log meanwhile");
    assert_eq!(*appended.subscribe().borrow(), 10);
}

#[test]
fn nothing_is_kept_for_nobody_nor_more_than_there_is_room_for() {
    let appended = Appended::new(0);
    appended.tell(0, vec![request(1, 1, 1)]);
    let reader = appended.reader();
    assert!(reader.take(0, 100).is_empty());
    appended.tell(1, vec![request(1, 2, KEPT / 3)]);
    appended.tell(3, vec![request(1, 2, KEPT / 3)]);
    assert!(reader.take(1, 100).is_empty(), "too much: the log has it");
    appended.tell(5, vec![request(1, 1, 1)]);
    assert_eq!(positions(&reader.take(5, 100)), [6]);
    appended.tell(6, vec![request(1, 1, 1)]);
    drop(reader);
    assert_eq!(appended.fresh().facts.len(), 0);
    let reader = appended.reader();
    assert!(reader.take(6, 100).is_empty());
    assert_eq!(*appended.subscribe().borrow(), 7);
}

#[test]
fn each_reader_goes_at_its_own_pace_and_what_all_have_passed_is_gone() {
    let appended = Appended::new(0);
    let (fast, slow) = (appended.reader(), appended.reader());
    appended.tell(0, vec![request(1, 4, 1)]);
    assert_eq!(positions(&fast.take(0, 100)), [1, 2, 3, 4]);
    assert_eq!(positions(&fast.take(0, 100)), [1, 2, 3, 4], "it has not said that it has them");
    assert!(fast.take(4, 100).is_empty());
    assert_eq!(positions(&slow.take(0, 2)), [1, 2]);
    assert_eq!(positions(&slow.take(2, 2)), [3, 4]);
    assert_eq!(appended.fresh().facts.len(), 2, "1 and 2 have been passed by both");
    drop(slow);
    assert_eq!(appended.fresh().facts.len(), 0, "the other one had passed all");
    assert_eq!(appended.fresh().bytes, 0);
}

#[test]
fn who_lags_behind_loses_its_facts_before_who_keeps_up_does() {
    let appended = Appended::new(0);
    let (fast, slow) = (appended.reader(), appended.reader());
    assert!(slow.take(0, 100).is_empty());
    appended.tell(0, vec![request(1, 2, KEPT / 3)]);
    assert!(fast.take(2, 100).is_empty());
    appended.tell(2, vec![request(1, 2, KEPT / 3)]);
    assert_eq!(positions(&fast.take(2, 100)), [3, 4]);
    assert!(slow.take(0, 100).is_empty(), "the log has 1 and 2");
    assert_eq!(positions(&slow.take(2, 100)), [3, 4]);
}

#[test]
fn a_new_reader_gets_nothing_of_what_was_told_before_it_came() {
    let appended = Appended::new(0);
    let first = appended.reader();
    appended.tell(0, vec![request(1, 1, 1)]);
    let second = appended.reader();
    appended.tell(1, vec![request(1, 1, 1)]);
    assert!(second.take(0, 100).is_empty());
    assert!(first.take(0, 100).is_empty(), "nor does the other one: it reads the log");
    assert_eq!(positions(&first.take(1, 100)), [2]);
    assert_eq!(positions(&second.take(1, 100)), [2]);
}
