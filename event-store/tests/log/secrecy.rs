//! Invariant 6: the log, its kept answers, `JetStream` and its files hold only ciphertext, and a user can be forgotten.

use std::path::Path;

use chrono::TimeDelta;
use orbit_domain::{
    Secret,
    tasks::{Label, Task, Title, order::Slot, task},
    users::{Email, Name, User, user},
};
use orbit_event_store::{EventStore, Fault, Idempotency, Keep, Limits, MasterKey, Mode, Settings, Stored, Unit, Vault};
use orbit_events::{Content, EventId, ListId, UserId};
use orbit_platform::{clock::Clock, ids};
use orbit_testing::{eventually, own_servers};
use uuid::Uuid;

use crate::{
    relay::{messages, relay},
    world::{Failure, Person, SOON, World, create, hex, pool_as, rename},
};

/// No other text in the whole system has these letters.
const TITLE: &str = "Xylophonquittung";

async fn write_down(person: &Person, title: &str) -> Uuid {
    let (id, key) = (ids::new_event_id(), ids::new_event_id());
    let create = task::Create {
        place: task::Place { list_id: ListId(key), slot: Slot::anywhere(person.store.clock().now(), 0) },
        lineage: None,
        title: Title::parse(title).unwrap(),
        description: None,
        priority: None,
        status: None,
        due_date: None,
        labels: vec![],
        extracted_from: None,
    };
    let idempotency = Idempotency { scope: person.id.0, key: key.to_string(), fingerprint: [0; 32], keep: Keep::Day };
    let decide = |unit: Unit| {
        let create = create.clone();
        async move {
            let written = unit.decide::<Task>(id, task::Command::Create(create)).await?;
            // The answer that is kept repeats what the user wrote.
            Ok::<_, Failure>(written.state.present().unwrap().title.clone())
        }
    };
    let mode = Mode { idempotency: Some(idempotency), dry_run: false };
    person.store.transact(person.origin(), mode, decide).await.unwrap();
    id
}

fn assert_absent(needle: &str, haystack: &[u8], place: &str) {
    let needle = needle.as_bytes();
    assert!(!haystack.windows(needle.len()).any(|window| window == needle), "found in {place}");
}

/// Every column of every row of every table of `log` and `vault`, as the database itself writes it out.
async fn assert_no_column_holds(world: &World, title: &str) {
    let in_hex = hex(title.as_bytes());
    for table in ["events", "commands", "claims", "streams"] {
        let sql = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM log.{table} t");
        let text: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.pool).await.unwrap();
        assert!(!text.is_empty(), "{table} has rows");
        assert_absent(title, text.as_bytes(), table);
        assert_absent(&in_hex, text.as_bytes(), table);
    }
}

fn assert_no_file_holds(dir: &Path, title: &str) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            bytes += assert_no_file_holds(&entry.path(), title);
        } else {
            let content = std::fs::read(entry.path()).unwrap();
            assert_absent(title, &content, &entry.path().display().to_string());
            bytes += content.len() as u64;
        }
    }
    bytes
}

#[tokio::test]
async fn what_a_user_writes_is_nowhere_to_be_read_in_the_log_or_in_jetstream_or_on_their_disks() {
    let own = own_servers().await;
    let (world, nats) = (World::on(own.database().await), own.nats().await);
    let person = Person::new(&world.store().await).await;
    relay(&world, &nats).await;
    let task = write_down(&person, TITLE).await;
    person.label(TITLE).await.unwrap();
    assert_no_column_holds(&world, TITLE).await;

    let relayed = eventually(SOON, || async { Some(messages(&world, &nats).await).filter(|all| all.len() == 2) }).await;
    for message in &relayed {
        assert_absent(TITLE, &message.payload, "a message");
        assert_absent(TITLE, message.subject.as_bytes(), "a subject");
        assert_absent(TITLE, format!("{:?}", message.headers).as_bytes(), "a message's headers");
    }
    // The tables' own files too, once they are written out.
    sqlx::raw_sql("CHECKPOINT").execute(&world.pool).await.unwrap();
    assert!(assert_no_file_holds(&own.nats_data_dir(), TITLE) > 500, "the stream is there");
    assert_no_file_holds(&own.postgres_data_dir().join("base"), TITLE);
    assert_no_file_holds(&own.postgres_data_dir().join("pg_wal"), TITLE);

    // It was not just lost.
    let loaded = person.store.log().load::<Task>(person.store.vault(), task).await.unwrap().unwrap();
    assert_eq!(loaded.state.present().unwrap().title, TITLE);
    world.stop().await;
    own.stop().await;
}

#[tokio::test]
async fn a_payload_that_was_moved_to_another_fact_user_or_type_does_not_open() {
    let world = World::new().await;
    let (person, other) = (Person::new(&world.store().await).await, Person::new(&world.store().await).await);
    person.label("red").await.unwrap();
    let Stored { envelope, data, .. } = person.store.log().at(1).await.unwrap().unwrap();
    let vault = person.store.vault();
    let open = |user: UserId, event: EventId, wire_type: &'static str, data: Vec<u8>| async move {
        vault.open(user, event, wire_type, &data).await
    };
    let (user, event, kind) = (envelope.user_id, envelope.event_id, "labels.created");
    assert!(open(user, event, kind, data.clone()).await.unwrap().unwrap().starts_with(b"{"));
    let (mut changed, mut key_no, cut) = (data.clone(), data.clone(), data[..20].to_vec());
    *changed.last_mut().unwrap() ^= 1;
    key_no[2] = 9;
    for moved in [
        open(other.id, event, kind, data.clone()).await,
        open(user, EventId(ids::new_event_id()), kind, data.clone()).await,
        open(user, event, "labels.renamed", data.clone()).await,
        open(user, event, kind, changed).await,
        open(user, event, kind, key_no).await,
        open(user, event, kind, cut).await,
        open(user, event, kind, vec![]).await,
    ] {
        assert!(matches!(moved, Err(Fault::Corrupt { .. })), "{moved:?}");
    }
    world.stop().await;
}

async fn registered(store: &EventStore) -> Person {
    let person = Person::new(store).await;
    let command = user::Command::Register {
        email: Email::parse(&format!("{}@example.org", person.id)).unwrap(),
        password_hash: Secret::new("hash"),
        profile: Box::new(user::Profile::new(Name::parse("Ada").unwrap())),
    };
    person.run::<User>(person.id.0, command).await.unwrap();
    person
}

/// Without any time of grace.
async fn erase(person: &Person) {
    let due_at = person.store.clock().now();
    person.run::<User>(person.id.0, user::Command::RequestErasure { due_at }).await.unwrap();
    person.run::<User>(person.id.0, user::Command::Erase).await.unwrap();
}

async fn snapshot(world: &World) -> String {
    let sql = "SELECT string_agg(e::text, ' ' ORDER BY position) FROM log.events e";
    sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn a_forgotten_user_leaves_the_facts_as_they_were_and_nothing_to_read_in_them() {
    let world = World::new().await;
    let store = world.store().await;
    let (person, stays) = (registered(&store).await, registered(&store).await);
    let (task, label) = (write_down(&person, TITLE).await, stays.label("stays").await.unwrap());
    erase(&person).await;
    let before = snapshot(&world).await;
    store.forget(person.id).await.unwrap();

    assert_eq!(snapshot(&world).await, before, "the log is as it was");
    for position in 1..=world.assert_sound().await {
        let stored = store.log().at(position).await.unwrap().unwrap();
        let mine = stored.envelope.user_id == person.id;
        let recorded = stored.open(store.vault()).await.unwrap().unwrap();
        assert_eq!(recorded.content == Content::Forgotten, mine, "position {position}");
    }
    let told = store.load::<Task>(task).await;
    assert!(matches!(told, Err(Fault::Forgotten)), "{told:?}");
    let told = person.run::<Label>(ids::new_event_id(), create("too late")).await;
    assert!(matches!(told, Err(Failure::Fault(Fault::Forgotten))), "{told:?}");
    store.vault().create_key(person.id).await.unwrap();
    let told = person.run::<Label>(ids::new_event_id(), create("a key once destroyed stays so")).await;
    assert!(matches!(told, Err(Failure::Fault(Fault::Forgotten))), "{told:?}");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM log.commands").fetch_one(&world.pool).await.unwrap();
    assert_eq!(kept, 0, "nor are answers kept");
    assert_eq!(stays.name_of(label).await.unwrap(), "stays");
    world.stop().await;
}

#[tokio::test]
async fn nothing_is_left_of_the_mailboxes_of_a_forgotten_user_and_all_of_those_of_others() {
    let world = World::new().await;
    let store = world.store().await;
    let (person, stays) = (registered(&store).await, registered(&store).await);
    for user in [person.id.0, stays.id.0] {
        for sql in [
            "INSERT INTO work.mail_accounts (connection_id, user_id, settings, phase) VALUES ($1, $1, 1, 'waiting')",
            "INSERT INTO work.mail_folders (folder_id, connection_id, user_id, path, role) VALUES ($1, $1, $1, 'x', 'other')",
            "INSERT INTO work.mail_uids (folder_id, uid, connection_id, user_id, email_id) VALUES ($1, 1, $1, $1, $1)",
            "INSERT INTO work.mail_missing (connection_id, email_id, user_id) VALUES ($1, $1, $1)",
            "INSERT INTO work.mail_outbound (connection_id, email_id, user_id, position) VALUES ($1, $1, $1, 1)",
            "INSERT INTO work.mail_copies (submission_id, user_id, since, next_try_at) VALUES ($1, $1, now(), now())",
        ] {
            sqlx::query(sql).bind(user).execute(&world.pool).await.unwrap();
        }
    }
    erase(&person).await;
    store.forget(person.id).await.unwrap();
    let left = "SELECT user_id FROM work.mail_accounts UNION ALL SELECT user_id FROM work.mail_folders
                UNION ALL SELECT user_id FROM work.mail_uids UNION ALL SELECT user_id FROM work.mail_missing
                UNION ALL SELECT user_id FROM work.mail_outbound UNION ALL SELECT user_id FROM work.mail_copies";
    let left: Vec<Uuid> = sqlx::query_scalar(left).fetch_all(&world.pool).await.unwrap();
    assert_eq!(left, [stays.id.0; 6]);
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_a_backup_kept_does_not_open_once_its_user_is_forgotten() {
    let world = World::new().await;
    let store = world.store().await;
    let person = registered(&store).await;
    write_down(&person, TITLE).await;
    let kept = "CREATE TABLE public.backup AS SELECT * FROM log.commands";
    sqlx::raw_sql(kept).execute(&world.pool).await.unwrap();
    erase(&person).await;
    store.forget(person.id).await.unwrap();
    let restored = "INSERT INTO log.commands SELECT * FROM public.backup";
    assert_eq!(sqlx::raw_sql(restored).execute(&world.pool).await.unwrap().rows_affected(), 1);

    let key: String =
        sqlx::query_scalar("SELECT idempotency_key FROM log.commands").fetch_one(&world.pool).await.unwrap();
    let idempotency = Idempotency { scope: person.id.0, key, fingerprint: [0; 32], keep: Keep::Day };
    let mode = Mode { idempotency: Some(idempotency), dry_run: false };
    let told = store.transact(person.origin(), mode, |_| async { Ok::<_, Failure>(String::new()) }).await;
    assert!(matches!(told, Err(Failure::Fault(Fault::Forgotten))), "{told:?}");
    world.stop().await;
}

#[tokio::test]
async fn blobs_have_a_key_of_their_user_that_outlives_the_master_key_and_goes_with_the_user() {
    let world = World::new().await;
    let store = world.store().await;
    let (person, other) = (registered(&store).await, registered(&store).await);
    let key = store.vault().blob_key(person.id).await.unwrap();
    let again = store.vault().blob_key_of(person.id, key.number).await.unwrap().unwrap();
    assert_eq!((key.number, key.bytes.clone()), (again.number, again.bytes));
    assert_ne!(key.bytes, store.vault().blob_key(other.id).await.unwrap().bytes);
    assert_eq!(format!("{key:?}"), "BlobKey { number: 0, .. }");
    let unknown = store.vault().blob_key_of(person.id, 9).await;
    assert!(matches!(unknown, Err(Fault::Corrupt { .. })), "{unknown:?}");
    let nobody = store.vault().blob_key(UserId(ids::new_event_id())).await;
    assert!(matches!(nobody, Err(Fault::Forgotten)), "{nobody:?}");

    // Another process, with another master key after a rotation.
    let next = MasterKey::new([9; 32]).accepting([7; 32]);
    let vault = Vault::new(world.pool.clone(), &next, world.clock.clone());
    vault.require_fit().await.unwrap();
    vault.rotate(|_| {}).await.unwrap();
    let rotated = Vault::new(world.pool.clone(), &MasterKey::new([9; 32]), world.clock.clone());
    assert_eq!(rotated.blob_key(person.id).await.unwrap().bytes, key.bytes);

    erase(&person).await;
    store.forget(person.id).await.unwrap();
    let told = store.vault().blob_key(person.id).await;
    assert!(matches!(told, Err(Fault::Forgotten)), "{told:?}");
    assert!(store.vault().blob_key_of(person.id, key.number).await.unwrap().is_none());
    world.stop().await;
}

#[tokio::test]
async fn a_store_with_another_master_key_does_not_start() {
    let world = World::new().await;
    registered(&world.store().await).await;
    let settings = Settings {
        pool: pool_as(&world.database, "orbit_command"),
        master_key: MasterKey::new([8; 32]),
        clock: world.clock.clone(),
        limits: Limits::default(),
    };
    let started = EventStore::start(settings, &world.life).await;
    assert!(matches!(started, Err(Fault::WrongMasterKey)));
    world.store().await;
    world.stop().await;
}

#[tokio::test]
async fn an_erasure_that_a_crash_cut_short_is_finished_by_the_next_sweep() {
    let world = World::new().await;
    let store = world.store().await;
    let (person, stays) = (registered(&store).await, registered(&store).await);
    // The fact is in the log, and the process dies before the key is destroyed.
    erase(&person).await;
    assert_eq!(store.vault().unfinished_erasures().await.unwrap(), [person.id]);
    let next = world.store().await;
    eventually(SOON, || async { next.vault().unfinished_erasures().await.unwrap().is_empty() }).await;
    let told = next.load::<User>(person.id.0).await;
    assert!(matches!(told, Err(Fault::Forgotten)), "{told:?}");
    assert!(next.load::<User>(stays.id.0).await.unwrap().is_some());
    world.stop().await;
}

#[tokio::test]
async fn what_another_process_has_forgotten_is_not_served_from_a_cache_for_long() {
    let world = World { clock: Clock::fixed("2026-11-22T20:28:00Z".parse().unwrap()), ..World::new().await };
    let (here, there) = (world.store().await, world.store().await);
    let person = registered(&here).await;
    let id = person.label("red").await.unwrap();
    assert!(here.load::<Label>(id).await.unwrap().is_some());
    erase(&person.at(&there)).await;
    there.forget(person.id).await.unwrap();
    world.clock.advance(TimeDelta::seconds(61));
    let told = here.load::<Label>(id).await;
    assert!(matches!(told, Err(Fault::Forgotten)), "{told:?}");
    let told = person.run::<Label>(id, rename("blue")).await;
    assert!(matches!(told, Err(Failure::Fault(Fault::Forgotten))), "{told:?}");
    world.stop().await;
}
