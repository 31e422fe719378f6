//! E-mails: threads are what the rules say, counts are what there is, and nothing is left of who was erased.

use std::collections::{BTreeMap, BTreeSet};

use orbit_domain::emails::threads::{Decision, Message, split_off, threads};
use orbit_events::{
    EmailId, Event, FolderId, Recorded,
    emails::{
        Action, BouncedRecipient, Role, TEXT_BYTES, Where,
        email::{self, Deleted, Labelled, Moved, Read, Received, Trashed},
        submission::Bounced,
        thread::{self, Dissolved, Merged, Split},
    },
    users::user,
};
use orbit_platform::postgres::Pool;
use orbit_projector::{SEARCH_PATH, projections};
use proptest::{prelude::*, test_runner::TestRunner};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{
    laws::{MAIL, Step, cut, facts},
    mail::{self, answer, of_email, of_thread, received},
    world::{World, at, projector_pool},
};

/// What is kept beside e-mails, and what it has to be: no row of one is missing in the other.
const KEPT: [(&str, &str, &str); 8] = [
    (
        "counts",
        "SELECT user_id, folder_id, role, emails, unread FROM email_counts",
        "SELECT user_id, folder_id, role, count(*), count(*) FILTER (WHERE NOT is_read) FROM emails GROUP BY 1, 2, 3",
    ),
    (
        "languages",
        "SELECT user_id, language, emails FROM email_languages",
        "SELECT user_id, language, count(*) FROM emails WHERE language IS NOT NULL GROUP BY 1, 2",
    ),
    (
        "labels",
        "SELECT email_id, user_id, label, date FROM email_labels",
        "SELECT id, user_id, unnest(labels), date FROM emails",
    ),
    ("words", "SELECT email_id, user_id, date FROM email_words", "SELECT id, user_id, date FROM emails"),
    ("phrases", "SELECT email_id, user_id, date FROM email_phrases", "SELECT id, user_id, date FROM emails"),
    (
        "roles",
        "SELECT id, role FROM emails",
        "SELECT id, CASE WHEN trashed_at IS NOT NULL THEN 'trash' WHEN is_archived THEN 'archive' ELSE folder_role END
         FROM emails",
    ),
    (
        "threads",
        "SELECT thread_id, user_id, emails, unread, has_attachments, is_starred, first_date, last_date, last_email_id,
                subject, snippet FROM email_threads",
        "SELECT thread_id, e.user_id, count(*)::integer, (count(*) FILTER (WHERE NOT is_read))::integer,
                bool_or(has_attachments), bool_or(is_starred), min(e.date), max(e.date),
                (array_agg(id ORDER BY e.date DESC, id DESC))[1], (array_agg(e.subject ORDER BY e.date, id))[1],
                (array_agg(snippet ORDER BY e.date DESC, id DESC))[1]
         FROM emails e JOIN email_links ON email_id = id WHERE role NOT IN ('trash', 'junk') GROUP BY 1, 2",
    ),
    (
        "nodes",
        "SELECT user_id, key, thread_id FROM email_nodes",
        "SELECT user_id, own, thread_id FROM email_links WHERE split_by IS NULL AND own IS NOT NULL
         UNION SELECT user_id, substr(refs, n, 16), thread_id
         FROM email_links, generate_series(1, length(refs), 16) AS n WHERE split_by IS NULL",
    ),
];

/// Rows that are on one side only.
async fn differing(connection: &mut PgConnection, kept: &str, made: &str) -> Vec<String> {
    let sql = format!(
        "SELECT 'kept ' || k::text FROM ({kept} EXCEPT ({made})) k UNION ALL
         SELECT 'made ' || m::text FROM (({made}) EXCEPT {kept}) m"
    );
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap()
}

/// Thread and decision of each e-mail, by the rules: as it first came in, and with all that was decided.
fn by_the_rules(facts: &[Recorded]) -> BTreeMap<Uuid, (Uuid, Option<Uuid>)> {
    let mut mailboxes: BTreeMap<Uuid, (BTreeMap<Uuid, Message>, Vec<Decision>)> = BTreeMap::new();
    for fact in facts {
        let id = fact.envelope.stream_id;
        let (messages, decisions) = mailboxes.entry(fact.envelope.user_id.0).or_default();
        let ids = |emails: &[EmailId]| emails.iter().map(|email| email.0).collect();
        match fact.event() {
            Some(Event::Email(email::Event::Received(received))) => {
                messages.entry(id).or_insert_with(|| Message::of(id, received));
            }
            Some(Event::Thread(thread::Event::Merged(Merged { email_ids }))) => {
                decisions.push(Decision::Merged(id, ids(email_ids)));
            }
            Some(Event::Thread(thread::Event::Split(Split { email_ids }))) => {
                decisions.push(Decision::Split(id, ids(email_ids)));
            }
            Some(Event::Thread(thread::Event::Dissolved(Dissolved {}))) => decisions.push(Decision::Dissolved(id)),
            _ => {}
        }
    }
    let placed = mailboxes.into_values().flat_map(|(messages, decisions)| {
        let messages: Vec<Message> = messages.into_values().collect();
        let split = split_off(&decisions);
        let placed = threads(&messages, &decisions).into_iter();
        placed.map(move |(email, thread)| (email, (thread, split.get(&email).copied())))
    });
    placed.collect()
}

/// What is wrong after these portions.
async fn faults(pool: &Pool, portions: &[&[Recorded]], facts: &[Recorded]) -> Vec<String> {
    let mut transaction = pool.begin().await.unwrap();
    let emails = projections::find("emails").unwrap();
    for portion in portions {
        let wanted: Vec<&Recorded> = portion.iter().filter(|fact| emails.interest.wants(&fact.envelope)).collect();
        emails.apply(&mut transaction, &wanted).await.unwrap();
    }
    let mut faults = Vec::new();
    for (name, kept, made) in KEPT {
        let differing = differing(&mut transaction, kept, made).await;
        faults.extend(differing.into_iter().map(|row| format!("{name}: {row}")));
    }
    let links: Vec<(Uuid, Uuid, Option<Uuid>)> =
        sqlx::query_as("SELECT email_id, thread_id, split_by FROM email_links")
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
    let links: BTreeMap<_, _> = links.into_iter().map(|(email, thread, split)| (email, (thread, split))).collect();
    let rules = by_the_rules(facts);
    if links != rules {
        faults.push(format!("links: {links:?} but by the rules {rules:?}"));
    }
    transaction.rollback().await.unwrap();
    faults
}

/// The same facts, each stream's in order, but one stream after the other.
fn stream_by_stream(facts: &[Recorded], ranks: &[u8]) -> Vec<Recorded> {
    let mut facts = facts.to_vec();
    let rank = |fact: &Recorded| {
        let place = usize::try_from(fact.envelope.stream_id.as_u128() % 1_000).unwrap();
        ranks[place % ranks.len()]
    };
    facts.sort_by_key(rank);
    facts
}

#[test]
fn threads_and_counts_are_what_the_rules_make_of_any_mailbox_in_any_order() {
    let runtime = Runtime::new().unwrap();
    let (database, pool) = runtime.block_on(async {
        let database = orbit_testing::database().await;
        let pool = projector_pool(&database, SEARCH_PATH).await;
        (database, pool)
    });
    // Of two users, whose messages have the same ids.
    let step = (0..2_u8, 0..mail::STREAMS, any::<u8>(), 0..60_u8);
    let step = step.prop_map(|(user, place, what, argument)| -> Step {
        (user * (MAIL + mail::STREAMS) + MAIL + place, what, argument)
    });
    let sizes = prop::collection::vec(1..30_usize, 1..8);
    let ranks = prop::collection::vec(any::<u8>(), 1..14);
    let again = (any::<prop::sample::Index>(), 1..30_usize);
    let config =
        ProptestConfig { cases: 96, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() };
    let everything = (prop::collection::vec(step, 1..150), sizes, ranks, again);
    let result = TestRunner::new(config).run(&everything, |(steps, sizes, ranks, (again, length))| {
        let facts = facts(&steps);
        let mut in_order = cut(&facts, &sizes);
        let from = again.index(facts.len());
        in_order.push(&facts[from..facts.len().min(from + length)]);
        let shuffled = stream_by_stream(&facts, &ranks);
        let out_of_order = cut(&shuffled, &sizes);
        for portions in [in_order, out_of_order] {
            let faults = runtime.block_on(faults(&pool, &portions, &facts));
            prop_assert!(faults.is_empty(), "{faults:#?}");
        }
        Ok(())
    });
    runtime.block_on(pool.close());
    drop(database);
    result.unwrap();
}

/// Threads as lists of subjects, oldest first.
async fn told(world: &World) -> Vec<Vec<String>> {
    let subjects = "SELECT array_agg(e.subject ORDER BY e.date, e.id) FROM view.email_links l
                    JOIN view.emails e ON e.id = l.email_id GROUP BY l.thread_id ORDER BY 1";
    sqlx::query_scalar(subjects).fetch_all(world.database.pool()).await.unwrap()
}

#[tokio::test]
async fn what_comes_in_is_told_by_folder_thread_and_label() {
    let world = World::new().await;
    let user = world.user().await;
    let [first, reply, other] = std::array::from_fn(|_| world.id());
    let lunch = Received { date: at(2), ..received("1@x", "Lunch", "At  noon,\nor later?") };
    let yes = Received { labels: vec!["Family".into()], date: at(3), ..answer("2@x", &["1@x", "0@x"]) };
    world.append(user, [(first, of_email(lunch)), (reply, of_email(yes))]).await;
    world.append(user, [(other, of_email(received("3@x", "News", "Much"))), (first, of_email(Read {}))]).await;
    world.catch_up().await;
    assert_eq!(told(&world).await, [vec!["Lunch", "Re: something"], vec!["News"]]);
    let (name, emails, unread, snippet): (Uuid, i32, i32, String) =
        sqlx::query_as("SELECT thread_id, emails, unread, snippet FROM view.email_threads WHERE subject = 'Lunch'")
            .fetch_one(world.database.pool())
            .await
            .unwrap();
    assert_eq!((name, emails, unread, snippet.as_str()), (first, 2, 1, "Yes."));
    let snippet = "SELECT count(*) FROM view.emails WHERE snippet = 'At noon, or later?' AND is_read AND version = 2";
    assert_eq!(world.count(snippet).await, 1);
    assert_eq!(world.count("SELECT emails * 10 + unread FROM view.email_counts WHERE role = 'inbox'").await, 32);

    let to = Where { folder_id: FolderId(world.id()), role: Role::Other };
    world
        .append(user, [(other, of_email(Moved { place: to })), (other, of_email(Trashed { trashed_at: at(9) }))])
        .await;
    world.append(user, [(reply, of_email(Labelled { label: "\"Work\"".into() }))]).await;
    world.catch_up().await;
    let counts: Vec<(String, i64)> = sqlx::query_as("SELECT role, emails FROM view.email_counts ORDER BY role")
        .fetch_all(world.database.pool())
        .await
        .unwrap();
    assert_eq!(counts, [("inbox".into(), 2), ("trash".into(), 1)]);
    assert_eq!(world.count("SELECT count(*) FROM view.email_threads").await, 1, "what is in the trash is in no thread");
    let labels: Vec<String> = sqlx::query_scalar("SELECT label FROM view.email_labels ORDER BY label")
        .fetch_all(world.database.pool())
        .await
        .unwrap();
    assert_eq!(labels, ["\"Work\"", "Family"]);
    world.append(user, [(other, of_email(Deleted {}))]).await;
    world.catch_up().await;
    assert_eq!(world.count("SELECT count(*) FROM view.email_words").await, 2);
    assert_eq!(world.count("SELECT count(*) FROM view.email_links").await, 3, "what it held together stays together");
}

#[tokio::test]
async fn what_users_decide_about_threads_is_heeded_and_taken_back() {
    let world = World::new().await;
    let user = world.user().await;
    let [one, two, three, decision, another] = std::array::from_fn(|_| world.id());
    let named = |id: &str, to: &[&str]| Received { subject: Some(id.to_owned()), ..answer(id, to) };
    let mails = [(one, named("1@x", &[])), (two, named("2@x", &["1@x"])), (three, named("3@x", &["2@x"]))];
    world.append(user, mails.map(|(id, mail)| (id, of_email(mail)))).await;
    world.catch_up().await;
    assert_eq!(told(&world).await, [["1@x", "2@x", "3@x"]]);
    world.append(user, [(decision, of_thread(Split { email_ids: vec![EmailId(three)] }))]).await;
    world.catch_up().await;
    assert_eq!(told(&world).await, [vec!["1@x", "2@x"], vec!["3@x"]]);
    // An answer to what was split off stays where that came from.
    world.append(user, [(world.id(), of_email(named("4@x", &["3@x", "2@x"])))]).await;
    world.catch_up().await;
    assert_eq!(told(&world).await, [vec!["1@x", "2@x", "4@x"], vec!["3@x"]]);
    let merged = Merged { email_ids: vec![EmailId(three), EmailId(two)] };
    world.append(user, [(another, of_thread(merged))]).await;
    world.catch_up().await;
    assert_eq!(told(&world).await, [["1@x", "2@x", "3@x", "4@x"]]);
    world.append(user, [(another, of_thread(Dissolved {})), (decision, of_thread(Dissolved {}))]).await;
    world.catch_up().await;
    assert_eq!(told(&world).await, [["1@x", "2@x", "3@x", "4@x"]]);
}

#[tokio::test]
async fn what_somebody_decides_about_anothers_mail_moves_nothing() {
    let world = World::new().await;
    let (ada, eve) = (world.user_in(3).await, world.user_in(3).await);
    let [one, two, decision] = std::array::from_fn(|_| world.id());
    let email_ids = vec![EmailId(one), EmailId(two)];
    world.append(eve, [(decision, of_thread(Merged { email_ids }))]).await;
    world.append(ada, [(one, of_email(received("1@x", "One", ""))), (two, of_email(received("2@x", "Two", "")))]).await;
    world.append(eve, [(world.id(), of_email(received("1@x", "Hers", "")))]).await;
    world.catch_up().await;
    assert_eq!(told(&world).await, [["Hers"], ["One"], ["Two"]]);
    assert_eq!(world.count("SELECT count(*) FROM view.email_nodes").await, 3);
}

#[tokio::test]
async fn a_message_has_bounced_if_a_report_says_that_somebody_does_not_get_it() {
    let world = World::new().await;
    let user = world.user().await;
    let [late, gone] = std::array::from_fn(|_| world.id());
    let report = |action| {
        let said = BouncedRecipient { email: "bob@example.org".into(), action, status: None, diagnostic: None };
        Event::Submission(Bounced { email_id: EmailId(world.id()), recipients: vec![said] }.into())
    };
    let submission = |what| Event::Submission(mail::sending(what == 0, what, 1));
    for id in [late, gone] {
        world.append(user, [(id, submission(0)), (id, submission(1)), (id, submission(4))]).await;
    }
    world.append(user, [(late, report(Action::Delayed)), (gone, report(Action::Failed))]).await;
    world.append(user, [(late, report(Action::Delivered)), (gone, report(Action::Relayed))]).await;
    world.catch_up().await;
    let told: Vec<(Uuid, bool, i32)> =
        sqlx::query_as("SELECT id, bounced, jsonb_array_length(results) FROM view.email_submissions ORDER BY bounced")
            .fetch_all(world.database.pool())
            .await
            .unwrap();
    // What the server said, and each report, which all are kept.
    assert_eq!(told, [(late, false, 3), (gone, true, 3)]);
}

#[tokio::test]
async fn the_longest_text_is_folded_and_found() {
    let world = World::new().await;
    let user = world.user().await;
    let text: String = (0..).map(|n| format!("word{n:05} ")).take(TEXT_BYTES / 10).collect();
    let words: Vec<(Uuid, Event)> =
        (0..3).map(|n| (world.id(), of_email(received(&format!("{n}@x"), "Long", &text)))).collect();
    world.append(user, words).await;
    world.catch_up().await;
    assert_eq!(world.count("SELECT count(*) FROM view.parked").await, 0);
    assert_eq!(world.count("SELECT min(length(body_text))::bigint FROM view.emails").await, 65_530);
    let found = "SELECT count(*) FROM view.email_words WHERE words::text LIKE '%wword00000%' AND words::text LIKE '%wword06552%'";
    assert_eq!(world.count(found).await, 3);
}

#[tokio::test]
async fn words_of_many_are_written_beside_their_e_mails_and_come_to_the_same() {
    const MANY: i64 = 300;
    let world = World::new().await;
    let user = world.user().await;
    let mails: Vec<(Uuid, Event)> = (0..MANY)
        .map(|n| {
            (world.id(), of_email(received(&format!("{n}@x"), &format!("Subject {n}"), &format!("word{n} and all"))))
        })
        .collect();
    let deleted: Vec<(Uuid, Event)> = mails[..3].iter().map(|(id, _)| (*id, of_email(Deleted {}))).collect();
    world.append(user, mails).await;
    world.catch_up().await;
    // Two transactions wrote a row each.
    let beside = async |schema: &str| {
        let sql = "JOIN SCHEMA.emails e ON e.id = w.email_id WHERE w.xmin <> e.xmin";
        world.count(&format!("SELECT count(*) FROM SCHEMA.email_words w {sql}").replace("SCHEMA", schema)).await
    };
    assert_eq!(beside("view").await, MANY);
    world.append(user, deleted).await;
    world.catch_up().await;
    // Where something is deleted, one connection does it all.
    world.fold_into("rebuilt").await;
    assert_eq!(beside("rebuilt").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM view.email_words").await, MANY - 3);
    assert_eq!(world.dump("rebuilt").await, world.dump("view").await);
}

/// Pages of words that are not sorted into the index yet, as the index's first page says (`GinMetaPageData`).
async fn unsorted_pages(world: &World) -> i32 {
    let index = "SELECT pg_read_binary_file(pg_relation_filepath('view.email_words_gin'), 36, 4)";
    sqlx::raw_sql("CHECKPOINT").execute(world.database.pool()).await.unwrap();
    let pages: Vec<u8> = sqlx::query_scalar(index).fetch_one(world.database.pool()).await.unwrap();
    i32::from_ne_bytes(pages.try_into().unwrap())
}

#[tokio::test]
async fn who_rests_sorts_in_what_is_left_of_many_and_changes_no_row() {
    let world = World::new().await;
    let user = world.user().await;
    // More than is usually left: 100 times 2,000 words that no other has.
    let text = |n| (0..2_000).map(|word| format!("w{n}x{word}")).collect::<Vec<_>>().join(" ");
    let mails = (0..100).map(|n| (world.id(), of_email(received(&format!("{n}@x"), "Many words", &text(n)))));
    world.append(user, mails).await;
    world.catch_up().await;
    assert!(unsorted_pages(&world).await > 4 * 1024 * 1024 / 8192);
    let rows = async || {
        world.count("SELECT sum(xmin::text::bigint + email_words.version)::bigint FROM view.email_words").await
    };
    let (before, words) = (rows().await, world.dump("view").await);
    let mut transaction = world.deps().await.pool.begin().await.unwrap();
    projections::find("emails").unwrap().rest(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((unsorted_pages(&world).await, rows().await), (0, before));
    assert_eq!(world.dump("view").await, words);
}

#[tokio::test]
async fn nothing_is_left_of_the_mail_of_who_was_erased() {
    let world = World::new().await;
    let (ada, bob) = (world.user_in(3).await, world.user_in(3).await);
    let steps: Vec<(u8, u8)> = (0..=255).flat_map(|n| (0..mail::STREAMS).map(move |place| (n, place))).collect();
    for user in [ada, bob] {
        let streams: Vec<Uuid> = (0..mail::STREAMS).map(|_| world.id()).collect();
        let mut first = BTreeSet::new();
        let of_step = |(n, place): &(u8, u8)| {
            let stream = streams[usize::from(*place)];
            let begins = first.insert(stream);
            (stream, mail::any_event(*place, begins, *n, n + place, |place| streams[usize::from(place)]))
        };
        // Nothing ends but the first two e-mails, so that there is something to erase in each table.
        let mut events: Vec<(Uuid, Event)> = steps.iter().take(13 * 12).map(of_step).collect();
        events.retain(|(_, event)| !["attachments.discarded", "folders.removed"].contains(&event.wire_type()));
        events.extend(streams[..2].iter().map(|stream| (*stream, of_email(Deleted {}))));
        world.append(user, events).await;
    }
    world.catch_up().await;
    let tables = projections::find("emails").unwrap().tables;
    let rows = async |user: Uuid, table: &str| {
        world.count(&format!("SELECT count(*) FROM view.{table} WHERE user_id = '{user}'")).await
    };
    let mut bobs = Vec::new();
    for table in tables {
        assert!(rows(ada.0, table).await > 0, "{table} has nothing to erase");
        bobs.push(rows(bob.0, table).await);
    }
    world.append(ada, [(ada.0, Event::User(user::Erased {}.into()))]).await;
    world.catch_up().await;
    // What is delivered late is not taken in.
    world.append(ada, [(world.id(), of_email(received("9@x", "Late", "Too late")))]).await;
    world.catch_up().await;
    for (table, bobs) in tables.iter().zip(bobs) {
        let left = i64::from(*table == "emails_removed");
        assert_eq!(rows(ada.0, table).await, left, "{table}");
        assert_eq!(rows(bob.0, table).await, bobs, "{table}");
    }
    world.vault.destroy_keys(ada).await.unwrap();
    world.fold_into("rebuilt").await;
    assert_eq!(world.dump("rebuilt").await, world.dump("view").await);
}

#[tokio::test]
async fn the_indexes_that_folding_needs_are_there() {
    let database = orbit_testing::database().await;
    for index in projections::ALL.iter().flat_map(|projection| projection.folded_by) {
        let found: bool = sqlx::query_scalar("SELECT to_regclass('view.' || $1) IS NOT NULL")
            .bind(index)
            .fetch_one(database.pool())
            .await
            .unwrap();
        assert!(found, "{index}");
    }
}
