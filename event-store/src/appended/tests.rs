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

fn positions(taken: &[Outgoing]) -> Vec<i64> {
    taken.iter().map(|fact| fact.position).collect()
}

#[test]
fn facts_are_told_in_the_order_of_their_positions_and_each_once() {
    let appended = Appended::new(10);
    let _wanted = appended.want();
    appended.tell(10, vec![request(2, 2, 1), request(0, 0, 1), request(1, 1, 1)]);
    let first = appended.take(10, 2);
    let told: Vec<_> = first.iter().map(|f| (f.position, f.stream_id.as_u128(), f.version, f.partition)).collect();
    assert_eq!(told, [(11, 0, 5, 3), (12, 0, 6, 3)]);
    let rest = appended.take(12, 100);
    let told: Vec<_> = rest.iter().map(|f| (f.position, f.stream_id.as_u128(), f.version)).collect();
    assert_eq!(told, [(13, 1, 5), (14, 1, 6), (15, 0, 5)]);
    assert!(appended.take(15, 100).is_empty());
    assert_eq!(*appended.subscribe().borrow(), 15);
}

#[test]
fn what_others_appended_in_between_is_a_gap_and_what_is_behind_it_waits() {
    let appended = Appended::new(0);
    let _wanted = appended.want();
    appended.tell(5, vec![request(1, 2, 1)]);
    assert!(appended.take(0, 100).is_empty(), "1 to 5 are somebody else's");
    // Lanes are heard of out of order.
    appended.tell(3, vec![request(1, 1, 1)]);
    assert_eq!(positions(&appended.take(3, 100)), [4], "5 is missing");
    assert_eq!(positions(&appended.take(5, 100)), [6, 7]);
    appended.tell(7, vec![request(1, 3, 1)]);
    assert_eq!(positions(&appended.take(9, 100)), [10], "8 and 9 came from the log meanwhile");
    assert_eq!(*appended.subscribe().borrow(), 10);
}

#[test]
fn nothing_is_kept_for_nobody_nor_more_than_there_is_room_for() {
    let appended = Appended::new(0);
    appended.tell(0, vec![request(1, 1, 1)]);
    let wanted = appended.want();
    assert!(appended.take(0, 100).is_empty());
    appended.tell(1, vec![request(1, 2, KEPT / 3)]);
    appended.tell(3, vec![request(1, 2, KEPT / 3)]);
    assert!(appended.take(1, 100).is_empty(), "too much: the log has it");
    appended.tell(5, vec![request(1, 1, 1)]);
    assert_eq!(positions(&appended.take(5, 100)), [6]);
    appended.tell(6, vec![request(1, 1, 1)]);
    drop(wanted);
    let _wanted = appended.want();
    assert!(appended.take(6, 100).is_empty());
    assert_eq!(*appended.subscribe().borrow(), 7);
}
