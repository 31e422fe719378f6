//! Which e-mails are one thread, as sentences and as laws.

use std::collections::BTreeMap;

use orbit_events::emails::{Address, email::Event};
use proptest::prelude::*;

use super::*;
use crate::given::now;

fn id(n: u8) -> Uuid {
    Uuid::from_u128(n.into())
}

fn message(n: u8) -> Message {
    Message {
        id: id(n),
        date: now(),
        own: Some(node(&format!("{n}@example.org"))),
        refs: vec![],
        subject: None,
        people: key(["ada@example.org"]),
        bare_reply: false,
    }
}

fn answer(n: u8, to: &[u8]) -> Message {
    Message { refs: to.iter().map(|n| node(&format!("{n}@example.org"))).collect(), ..message(n) }
}

fn about(n: u8, subject: &str, days: i64, bare_reply: bool) -> Message {
    Message { subject: Some(key([subject])), date: now() + TimeDelta::days(days), bare_reply, ..message(n) }
}

/// Who is with whom, as lists of ids.
fn together(messages: &[Message], decisions: &[Decision]) -> Vec<Vec<u8>> {
    let mut threads: BTreeMap<Uuid, Vec<u8>> = BTreeMap::new();
    for (email, thread) in super::threads(messages, decisions) {
        threads.entry(thread).or_default().push(email.as_bytes()[15]);
    }
    threads.into_values().collect()
}

#[test]
fn an_answer_is_with_what_it_answers() {
    assert_eq!(together(&[message(1), answer(2, &[1]), message(3)], &[]), [vec![1, 2], vec![3]]);
}

#[test]
fn answers_to_what_is_not_there_are_together() {
    assert_eq!(together(&[answer(2, &[9]), answer(3, &[9])], &[]), [[2, 3]]);
}

#[test]
fn what_comes_last_unites_what_was_apart() {
    let apart = [message(1), message(2)];
    assert_eq!(together(&apart, &[]), [[1], [2]]);
    let [one, two] = apart;
    assert_eq!(together(&[one, two, answer(3, &[1, 2])], &[]), [[1, 2, 3]]);
}

#[test]
fn a_thread_is_named_by_its_smallest_email() {
    let threads = super::threads(&[answer(7, &[9]), answer(5, &[9])], &[]);
    assert_eq!(threads, BTreeMap::from([(id(5), id(5)), (id(7), id(5))]));
}

#[test]
fn an_answer_that_refers_to_nothing_is_known_by_its_subject_for_30_days() {
    let first = about(1, "lunch", 0, false);
    for (days, expected) in [(30, vec![vec![1, 2]]), (31, vec![vec![1], vec![2]]), (-30, vec![vec![1, 2]])] {
        assert_eq!(together(&[first.clone(), about(2, "lunch", days, true)], &[]), expected, "{days}");
    }
    let other = about(2, "dinner", 0, true);
    assert_eq!(together(&[first.clone(), other], &[]), [[1], [2]]);
    let among_others = Message { people: key(["eve@example.org"]), ..about(2, "lunch", 0, true) };
    assert_eq!(together(&[first, among_others], &[]), [[1], [2]]);
}

#[test]
fn what_only_has_the_same_subject_is_no_thread() {
    let newsletters: Vec<Message> = (1..9).map(|n| about(n, "news", i64::from(n), false)).collect();
    assert_eq!(together(&newsletters, &[]).len(), 8);
}

#[test]
fn what_is_split_off_leaves_the_others_together() {
    let messages = [message(1), answer(2, &[1]), answer(3, &[1, 2])];
    let split = Decision::Split(id(100), vec![id(2)]);
    assert_eq!(together(&messages, std::slice::from_ref(&split)), [vec![1, 3], vec![2]]);
    assert_eq!(together(&messages, &[split, Decision::Dissolved(id(100))]), [[1, 2, 3]]);
    let two = Decision::Split(id(100), vec![id(2), id(3)]);
    assert_eq!(together(&messages, &[two]), [vec![1], vec![2, 3]]);
}

#[test]
fn an_answer_to_what_was_split_off_stays_where_that_was() {
    let messages = [message(1), answer(2, &[1]), answer(3, &[2]), answer(4, &[1, 2])];
    let split = Decision::Split(id(100), vec![id(2)]);
    assert_eq!(together(&messages, &[split]), [vec![1, 3, 4], vec![2]]);
}

#[test]
fn what_is_merged_is_together_and_no_more_split() {
    let messages = [message(1), answer(2, &[1]), message(3)];
    let merged = Decision::Merged(id(101), vec![id(2), id(3), id(77)]);
    assert_eq!(together(&messages, std::slice::from_ref(&merged)), [[1, 2, 3]]);
    let split = Decision::Split(id(100), vec![id(2)]);
    assert_eq!(together(&messages, &[split.clone(), merged.clone()]), [[1, 2, 3]]);
    assert_eq!(together(&messages, &[merged.clone(), split.clone()]), [vec![1], vec![2], vec![3]]);
    let dissolved = Decision::Dissolved(id(101));
    assert_eq!(together(&messages, &[split, merged, dissolved]), [vec![1], vec![2], vec![3]]);
}

#[test]
fn what_is_split_off_is_told_unless_it_was_merged_again() {
    let split = Decision::Split(id(100), vec![id(1), id(2), id(3)]);
    let merged = Decision::Merged(id(101), vec![id(2), id(4)]);
    let again = Decision::Split(id(102), vec![id(3)]);
    let decisions = [split, merged, again];
    assert_eq!(super::split_off(&decisions), [(id(1), id(100)), (id(3), id(102))].into());
    assert_eq!(super::split_off(&decisions[..1]).len(), 3);
}

#[test]
fn a_decision_that_holds_again_counts_from_then_on() {
    let messages = [message(1), message(2)];
    let merged = Decision::Merged(id(101), vec![id(1), id(2)]);
    let split = Decision::Split(id(100), vec![id(2)]);
    let again = [merged.clone(), split, Decision::Dissolved(id(101)), merged];
    assert_eq!(together(&messages, &again), [[1, 2]]);
}

#[test]
fn a_message_is_read_for_what_matters_to_threads() {
    let fact = orbit_events::Event::types().find(|fact| fact.wire_type == "emails.received").unwrap();
    let event = <Event as orbit_events::Fact>::decode("emails.received", 1, fact.example.as_bytes()).unwrap();
    let Event::Received(received) = event else { panic!("{event:?}") };
    let read = Message::of(id(1), &received);
    assert_eq!((read.own, read.refs.len()), (Some(node("<engine.4711@example.com>")), 2));
    assert!(!read.bare_reply, "it says what it answers");
    let bare = Received { references: vec![], in_reply_to: vec![], ..*received.clone() };
    assert!(Message::of(id(1), &bare).bare_reply);
    let shuffled = Received {
        subject: Some("the ENGINE".into()),
        from: received.to.first().cloned(),
        to: [received.from.clone(), received.to.get(1).cloned()].into_iter().flatten().collect(),
        ..bare.clone()
    };
    assert!(Message::of(id(2), &shuffled).is_about_the_same(&Message::of(id(1), &bare)));
    let to_nobody = Received { from: None, to: vec![], cc: vec![], ..bare.clone() };
    assert_eq!(Message::of(id(1), &to_nobody).subject, None);
    let unreadable = Address { email: String::new(), name: Some("Somebody".into()) };
    assert_eq!(Message::of(id(1), &Received { from: Some(unreadable), to: vec![], cc: vec![], ..bare }).subject, None);
}

fn some_message(n: u8) -> impl Strategy<Value = Message> {
    let refs = prop::collection::vec(0..30_u8, 0..3);
    let (subject, people) = (prop::option::of(0..3_u8), 0..2_u8);
    (refs, subject, people, 0..100_i64, any::<bool>(), prop::bool::weighted(0.9)).prop_map(
        move |(refs, subject, people, days, reply, has_id)| {
            let message = answer(n, &refs);
            Message {
                own: message.own.filter(|_| has_id),
                date: now() + TimeDelta::days(days),
                subject: subject.map(|subject| key([subject.to_string().as_str()])),
                people: key([people.to_string().as_str()]),
                bare_reply: reply && message.refs.is_empty(),
                ..message
            }
        },
    )
}

fn mailbox() -> impl Strategy<Value = Vec<Message>> {
    (1..20_u8).prop_flat_map(|count| (0..count).map(some_message).collect::<Vec<_>>())
}

fn decisions() -> impl Strategy<Value = Vec<Decision>> {
    let emails =
        prop::collection::vec(0..20_u8, 1..5).prop_map(|emails| emails.into_iter().map(id).collect::<Vec<_>>());
    let decision = (100..104_u8, emails, 0..5_u8).prop_map(|(stream, emails, kind)| match kind {
        0 | 1 => Decision::Merged(id(stream), emails),
        2 | 3 => Decision::Split(id(stream), emails),
        _ => Decision::Dissolved(id(stream)),
    });
    prop::collection::vec(decision, 0..6)
}

/// The definition, word for word: every two messages are looked at.
fn by_the_book(messages: &[Message]) -> BTreeMap<Uuid, Uuid> {
    let mut union = Union::new();
    for one in messages {
        union.add(one.id);
        let linked = |other: &&Message| {
            let keys: BTreeSet<_> = one.own.iter().chain(&one.refs).collect();
            other.own.iter().chain(&other.refs).any(|key| keys.contains(key)) || one.is_about_the_same(other)
        };
        for other in messages.iter().filter(|other| other.id != one.id).filter(linked) {
            union.unite(one.id, other.id);
        }
    }
    messages.iter().map(|message| (message.id, union.least(&message.id).unwrap())).collect()
}

fn together_in(threads: &BTreeMap<Uuid, Uuid>, one: Uuid, other: Uuid) -> bool {
    threads[&one] == threads[&other]
}

proptest! {
    #[test]
    fn the_order_of_arrival_never_matters(
        (mailbox, shuffled) in mailbox().prop_flat_map(|mailbox| (Just(mailbox.clone()), Just(mailbox).prop_shuffle())),
        decisions in decisions(),
    ) {
        prop_assert_eq!(super::threads(&mailbox, &decisions), super::threads(&shuffled, &decisions));
    }

    #[test]
    fn threads_are_what_the_definition_says(mailbox in mailbox()) {
        prop_assert_eq!(super::threads(&mailbox, &[]), by_the_book(&mailbox));
    }

    #[test]
    fn adding_a_message_never_separates_two(mailbox in mailbox()) {
        let before = super::threads(&mailbox[1..], &[]);
        let after = super::threads(&mailbox, &[]);
        for one in before.keys() {
            for other in before.keys().filter(|other| together_in(&before, *one, **other)) {
                prop_assert!(together_in(&after, *one, *other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn a_bridge_that_comes_last_unites(mailbox in mailbox(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let (from, to) = (from.get(&mailbox), to.get(&mailbox));
        prop_assume!(from.own.is_some() && to.own.is_some());
        let bridge = Message { refs: from.own.into_iter().chain(to.own).collect(), ..message(99) };
        let all: Vec<Message> = mailbox.iter().cloned().chain([bridge]).collect();
        let threads = super::threads(&all, &[]);
        prop_assert!(together_in(&threads, from.id, to.id) && together_in(&threads, id(99), to.id));
    }

    #[test]
    fn every_email_has_a_thread_which_is_its_smallest(mailbox in mailbox(), decisions in decisions()) {
        let threads = super::threads(&mailbox, &decisions);
        prop_assert_eq!(threads.len(), mailbox.len());
        for (email, thread) in &threads {
            prop_assert!(thread <= email && threads[thread] == *thread);
        }
    }

    #[test]
    fn a_decision_that_is_taken_back_had_never_been(mailbox in mailbox(), decisions in decisions()) {
        let dissolved: Vec<Decision> = decisions.iter().cloned().chain((100..104).map(|n| Decision::Dissolved(id(n)))).collect();
        prop_assert_eq!(super::threads(&mailbox, &dissolved), super::threads(&mailbox, &[]));
    }
}
