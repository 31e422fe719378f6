use super::*;
use crate::batch::{Grip, Write};

fn request(stream: u128) -> Request {
    let write = Write {
        stream_id: uuid::Uuid::from_u128(stream),
        category: "labels",
        user_id: uuid::Uuid::nil(),
        partition: 0,
        expected: 0,
        facts: vec![],
    };
    Request { writes: vec![write], ..Request::default() }
}

fn held(requests: Vec<Request>) -> VecDeque<Queued> {
    let queued = |request| Queued { request: Box::new(request), reply: oneshot::channel().0, since: Instant::now() };
    requests.into_iter().map(queued).collect()
}

fn under_way(request: &Request) -> Vec<(usize, Footprint)> {
    let mut footprint = Footprint::default();
    footprint.add(request);
    vec![(0, footprint)]
}

#[test]
fn a_request_on_a_stream_that_is_in_the_batch_waits_for_the_next() {
    let choice = choose(&held(vec![request(1), request(1), request(2)]), &[], Limits::default());
    assert_eq!(choice.chosen, [0, 2]);
}

#[test]
fn a_request_that_touches_what_is_under_way_waits_and_is_not_overtaken_by_its_likes() {
    let mut both = request(1);
    both.writes.extend(request(2).writes);
    // 1 is under way, so the first waits; the second wants 2 only, but the first wants it too and was there before.
    let choice = choose(&held(vec![both, request(2), request(3)]), &under_way(&request(1)), Limits::default());
    assert_eq!(choice.chosen, [2]);
}

#[test]
fn who_guards_a_stream_and_who_writes_it_do_not_share_a_batch_but_guards_do() {
    let guard = || Request { guards: vec![(uuid::Uuid::from_u128(1), 3)], ..Request::default() };
    assert_eq!(choose(&held(vec![guard(), guard(), request(1)]), &[], Limits::default()).chosen, [0, 1]);
    assert_eq!(choose(&held(vec![request(1), guard()]), &[], Limits::default()).chosen, [0]);
}

#[test]
fn two_that_want_one_claim_do_not_share_a_batch() {
    let claimed = |stream: u128, key: u8| {
        let grip = Grip { scope: "labels.name", key: vec![key], stream_id: uuid::Uuid::from_u128(stream) };
        Request { taken: vec![grip], ..request(stream) }
    };
    assert_eq!(choose(&held(vec![claimed(1, 7), claimed(2, 7), claimed(3, 8)]), &[], Limits::default()).chosen, [0, 2]);
}

#[test]
fn a_batch_has_limits_and_a_single_large_request_goes_alone() {
    let large = |stream| {
        let mut request = request(stream);
        request.writes[0].facts.push(crate::batch::SealedFact {
            event_id: uuid::Uuid::nil(),
            wire_type: "labels.renamed",
            schema_version: 1,
            data: vec![0; 600],
            metadata: "{}".into(),
            at: chrono::DateTime::UNIX_EPOCH,
        });
        request
    };
    let limits = Limits { batch_requests: 2, batch_bytes: 1_000, ..Limits::default() };
    assert_eq!(choose(&held(vec![large(1), large(2), request(3), request(4)]), &[], limits).chosen, [0, 2]);
    let limits = Limits { batch_bytes: 100, ..limits };
    assert_eq!(choose(&held(vec![large(1), request(2)]), &[], limits).chosen, [0]);
}
