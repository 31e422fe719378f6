//! Laws of folding, over random facts: in batches or one by one, once or again, applied or filled in, everything comes
//! to the same.

use orbit_events::{
    Actor, ConnectionId, Content, Envelope, Event, EventId, LabelId, ListId, Metadata, Recorded, TaskId, UserId,
    tasks::{Priority, Status, label, list, task},
    users::{Profile, connection, login, user},
};
use orbit_platform::postgres::Pool;
use orbit_projector::{SEARCH_PATH, projection::Tables, projections};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{
    mail,
    stories::task,
    world::{PARTITIONS, at, dump, projector_pool},
};

/// A step: which stream, and what happens to it.
pub type Step = (u8, u8, u8);

const USERS: u8 = 2;
/// Streams of each user: an account, a device, a connection, two lists, three labels, four tasks; and those of mail.
const STREAMS: u8 = MAIL + mail::STREAMS;
pub const MAIL: u8 = 12;

pub fn stream(user: u8, place: u8) -> Uuid {
    Uuid::from_u128(u128::from(user) * 1_000 + u128::from(place) + 1)
}

/// Facts that could stand in a log: streams begin with their first fact and versions have no gaps. An erased user does
/// nothing more, and a removed thing is not touched any more, as the rules have it, but that some may come back.
pub fn facts(steps: &[Step]) -> Vec<Recorded> {
    let mut versions = std::collections::HashMap::new();
    let mut ended = std::collections::HashSet::new();
    let mut facts = Vec::new();
    for (place, what, argument) in steps {
        let user = place / STREAMS % USERS;
        let stream_id = stream(user, place % STREAMS);
        let user_id = stream(user, 0);
        let is_list = matches!(place % STREAMS, 3 | 4);
        let may = is_list || (place % STREAMS).checked_sub(MAIL).is_some_and(mail::comes_back);
        let comes_back = may && !ended.contains(&user_id) && ended.remove(&stream_id);
        if ended.contains(&stream_id) || ended.contains(&user_id) {
            continue;
        }
        let version = versions.entry(stream_id).or_insert(0_i64);
        *version += 1;
        let event = if comes_back && is_list {
            let (name, position) = (format!("back {argument}"), format!("V{argument}"));
            Event::List(list::Restored { name, color: None, position, created_at: at(1) }.into())
        } else {
            event(user, place % STREAMS, *version == 1 || comes_back, *what, *argument)
        };
        if ENDS.contains(&event.wire_type()) {
            ended.insert(stream_id);
        }
        let position = i64::try_from(facts.len()).unwrap() + 1;
        let envelope = Envelope {
            position,
            event_id: EventId(Uuid::from_u128(u128::try_from(position).unwrap())),
            user_id: UserId(user_id),
            category: event.wire_type().split('.').next().unwrap().to_owned(),
            stream_id,
            version: *version,
            wire_type: event.wire_type().to_owned(),
            schema_version: 1,
            recorded_at: at(position),
            metadata: Metadata {
                actor: Actor::User,
                correlation_id: Uuid::from_u128(1),
                causation_id: None,
                session_id: None,
                traceparent: None,
            },
        };
        facts.push(Recorded { envelope, content: Content::Open(event) });
    }
    facts
}

/// What ends a stream.
const ENDS: [&str; 7] = [
    "users.erased",
    "lists.removed",
    "labels.removed",
    "connections.disconnected",
    "emails.deleted",
    "folders.removed",
    "attachments.discarded",
];

fn event(user: u8, place: u8, first: bool, what: u8, argument: u8) -> Event {
    let text = format!("words {argument}");
    let label = LabelId(stream(user, 5 + argument % 3));
    match place {
        0 => Event::User(account_event(first, what, text)),
        1 if first => Event::Login(
            login::LoggedIn {
                refresh_hash: text.clone(),
                device_name: Some(text),
                user_agent: None,
                address: None,
                expires_at: at(1_000),
            }
            .into(),
        ),
        1 if what.is_multiple_of(2) => {
            Event::Login(login::Refreshed { refresh_hash: text, expires_at: at(2_000 + i64::from(argument)) }.into())
        }
        1 => Event::Login(login::LoggedOut { reason: login::Reason::LoggedOut }.into()),
        2 => Event::Connection(connection_event(first, what, argument, text)),
        3 | 4 => Event::List(match (first, what % 4) {
            (true, _) => list::Created { name: text, color: None, position: format!("V{argument}") }.into(),
            (_, 0) => list::Renamed { name: text }.into(),
            (_, 1) => list::Recoloured { color: Some(text) }.into(),
            (_, 2) => list::Moved { position: text }.into(),
            _ => list::Removed {}.into(),
        }),
        5..=7 => Event::Label(match (first, what % 3) {
            (true, _) => label::Created { name: text, color: None }.into(),
            (_, 0) => label::Renamed { name: text }.into(),
            (_, 1) => label::Recoloured { color: Some(text) }.into(),
            _ => label::Removed {}.into(),
        }),
        MAIL.. => mail::any_event(place - MAIL, first, what, argument, |place| stream(user, MAIL + place)),
        _ if first => {
            let list_id = ListId(stream(user, 3));
            Event::Task(task::Created { list_id, labels: vec![label], ..task(&text) }.into())
        }
        _ => Event::Task(task_event(user, what, argument, text, label)),
    }
}

fn account_event(first: bool, what: u8, text: String) -> user::Event {
    let profile = Profile {
        name: text.clone(),
        avatar_url: None,
        time_zone: "UTC".into(),
        locale: "en".into(),
        working_hours: vec![],
    };
    match (first, what % 16) {
        (true, _) => user::Registered { email: text.clone(), password_hash: text, profile }.into(),
        (_, 0) => user::Erased {}.into(),
        (_, 1..6) => user::PreferencesChanged { preferences: serde_json::json!({ "theme": text }) }.into(),
        (_, 6..9) => user::PasswordChanged { password_hash: text }.into(),
        _ => user::ProfileChanged { profile }.into(),
    }
}

fn connection_event(first: bool, what: u8, argument: u8, text: String) -> connection::Event {
    let settings = connection::Settings {
        name: text.clone(),
        endpoint: text.clone(),
        port: Some(u16::from(argument)),
        username: None,
        secret: None,
        security: [
            None,
            Some(connection::Security::Tls),
            Some(connection::Security::Starttls),
            Some(connection::Security::Plain),
        ][usize::from(argument % 4)],
        address: argument.is_multiple_of(2).then(|| text.clone()),
        display_name: argument.is_multiple_of(3).then(|| text.clone()),
        imap_connection_id: argument.is_multiple_of(5).then(|| ConnectionId(Uuid::from_u128(argument.into()))),
        saves_sent: (!argument.is_multiple_of(3)).then_some(argument % 3 == 1),
    };
    match (first, what % 5) {
        (true, _) => connection::Connected { kind: connection::Kind::Caldav, settings }.into(),
        (_, 0) => connection::SettingsChanged { settings }.into(),
        (_, 1 | 2) => connection::SyncProgressed { cursor: text, items: u64::from(argument) }.into(),
        (_, 3) => connection::SyncFailed { code: "unreachable".into(), detail: text }.into(),
        _ => connection::Disconnected {}.into(),
    }
}

fn task_event(user: u8, what: u8, argument: u8, text: String, label: LabelId) -> task::Event {
    match what % 14 {
        0 => task::Retitled { title: text }.into(),
        1 => task::Described { description: argument.is_multiple_of(2).then_some(text) }.into(),
        2 => task::Prioritised { priority: Priority::High }.into(),
        3 => task::Scheduled { due_date: chrono::NaiveDate::from_yo_opt(2026, u32::from(argument) + 1) }.into(),
        4 => task::Moved { list_id: ListId(stream(user, 3)), position: text }.into(),
        5 => task::StatusChanged { status: Status::Waiting }.into(),
        6 => task::Completed { completed_at: at(i64::from(argument)) }.into(),
        7 => task::Reopened {}.into(),
        8 => task::Labelled { label_id: label }.into(),
        9 => task::Unlabelled { label_id: label }.into(),
        10 => task::Nested { parent_id: argument.is_multiple_of(2).then_some(TaskId(stream(user, 8))) }.into(),
        11 => task::Dismissed { reason: Some(text) }.into(),
        12 => task::Deleted { deleted_at: at(i64::from(argument)) }.into(),
        _ => task::Restored {}.into(),
    }
}

/// Applies facts in these portions, in a transaction that is then rolled back; returns what came of it.
pub async fn fold(pool: &Pool, portions: &[&[Recorded]], tables: Tables) -> Vec<(String, serde_json::Value)> {
    let mut transaction = pool.begin().await.unwrap();
    for portion in portions {
        for projection in projections::ALL {
            let wanted: Vec<&Recorded> =
                portion.iter().filter(|fact| projection.interest.wants(&fact.envelope)).collect();
            match tables {
                Tables::Serving => projection.apply(&mut transaction, &wanted).await.unwrap(),
                Tables::Fresh => projection.fill(&mut transaction, &wanted).await.unwrap(),
            }
        }
    }
    let dump = dump(&mut transaction, "view").await;
    transaction.rollback().await.unwrap();
    dump
}

/// Cuts facts into portions of random sizes.
pub fn cut<'a>(facts: &'a [Recorded], sizes: &[usize]) -> Vec<&'a [Recorded]> {
    let mut portions = Vec::new();
    let mut rest = facts;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (portion, after) = rest.split_at((*size).min(rest.len()));
        portions.push(portion);
        rest = after;
    }
    portions
}

#[test]
fn batches_of_any_size_delivered_any_number_of_times_come_to_the_same() {
    let runtime = Runtime::new().unwrap();
    let (database, pool) = runtime.block_on(async {
        let database = orbit_testing::database().await;
        let pool = projector_pool(&database, SEARCH_PATH).await;
        (database, pool)
    });
    let steps = prop::collection::vec((any::<u8>(), any::<u8>(), 0..20_u8), 1..160);
    let sizes = prop::collection::vec(1..40_usize, 1..8);
    let again = prop::collection::vec((any::<prop::sample::Index>(), 1..30_usize), 0..6);
    let config =
        ProptestConfig { cases: 24, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new(config).run(&(steps, sizes, again), |(steps, sizes, again)| {
        let facts = facts(&steps);
        let one_by_one: Vec<&[Recorded]> = facts.chunks(1).collect();
        let portions = cut(&facts, &sizes);
        // Windows of what has been seen already, in any order, each after a batch.
        let mut with_repeats: Vec<&[Recorded]> = Vec::new();
        let mut seen = 0;
        for (n, batch) in portions.iter().enumerate() {
            with_repeats.push(batch);
            seen += batch.len();
            if let Some((from, length)) = again.get(n) {
                let from = from.index(seen);
                with_repeats.push(&facts[from..seen.min(from + length)]);
            }
        }
        with_repeats.push(&facts);
        let (alone, others) = runtime.block_on(async {
            let batched = fold(&pool, &portions, Tables::Serving).await;
            let repeated = fold(&pool, &with_repeats, Tables::Serving).await;
            let filled = fold(&pool, &portions, Tables::Fresh).await;
            (fold(&pool, &one_by_one, Tables::Serving).await, [batched, repeated, filled])
        });
        for other in others {
            for (one, other) in alone.iter().zip(&other) {
                prop_assert_eq!(one, other);
            }
        }
        Ok(())
    });
    runtime.block_on(pool.close());
    drop(database);
    result.unwrap();
    assert_eq!(PARTITIONS.0, 8);
}
