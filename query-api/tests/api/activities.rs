//! The activities context: everything that happened, as a list, one by one, by type, by words, and all of it.

use http_body_util::BodyExt;
use insta::assert_json_snapshot;
use orbit_domain::activities::Trigrams;
use orbit_events::{
    Actor,
    tasks::task::{self, Completed, Retitled},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{ADA, BOB, World, at, task_id};

/// Ada's account, login and two lists are 4 facts; then a task, a retitle by her agent, its completion.
async fn world() -> World {
    let world = World::new().await.with_ada().await;
    world.task(1, |task| "Buy milk".clone_into(&mut task.title)).await;
    world.clock.set(at("2026-11-23T08:00:00Z"));
    let retitled = task::Event::from(Retitled { title: "Buy oat milk".to_owned() });
    let agent = Actor::Agent { run_id: Uuid::from_u128(0x10) };
    let position = world.fold(ADA, task_id(1).0, 2, retitled.into(), agent).await;
    world.checkpoint("activities", ADA, position).await;
    world.on_task(1, 3, Completed { completed_at: world.clock.now() }).await;
    world
}

fn positions(page: &Value) -> Vec<i64> {
    page["data"].as_array().unwrap().iter().map(|activity| activity["position"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn activities_are_facts_in_their_outward_shape_newest_first() {
    let world = world().await;
    let page = world.get(ADA, "/activities?limit=2&include=total").await.ok();
    assert_eq!((positions(&page), &page["total"]), (vec![7, 6], &json!(7)));
    assert_json_snapshot!(page["data"][1], @r#"
    {
      "action_type": "tasks.retitled",
      "actor": {
        "run_id": "00000000-0000-0000-0000-000000000010",
        "type": "agent"
      },
      "causation_id": null,
      "correlation_id": "00000000-0000-0000-0000-0000000000c0",
      "data": {
        "title": "Buy oat milk"
      },
      "description": "Renamed task “Buy milk” to “Buy oat milk”",
      "entity": {
        "id": "00000000-0000-7a5c-0000-000000000001",
        "type": "task"
      },
      "id": "00000000-0000-fac7-0000-000000000006",
      "position": 6,
      "recorded_at": "2026-11-23T08:00:00Z",
      "session_id": "00000000-0000-0ada-0000-000000000000",
      "type": "tasks.retitled",
      "version": 1
    }
    "#);
    let oldest = world.get(ADA, "/activities?sort=position&limit=1").await.ok();
    assert_eq!(positions(&oldest), [1]);
    assert!(!oldest.to_string().contains("argon2id"));
    let next = oldest["next_cursor"].as_str().unwrap();
    assert_eq!(positions(&world.get(ADA, &format!("/activities?sort=position&cursor={next}")).await.ok()).len(), 6);
}

#[tokio::test]
async fn one_activity_is_found_by_its_id_and_by_its_position() {
    let world = world().await;
    let page = world.get(ADA, "/activities?position=6").await.ok();
    let id = page["data"][0]["id"].as_str().unwrap();
    assert_eq!(world.get(ADA, &format!("/activities/{id}")).await.ok(), page["data"][0]);
    assert_eq!(world.get(BOB, &format!("/activities/{id}")).await.status, 404);
    assert_eq!(world.get(ADA, "/activities/6").await.status, 404);
    assert!(world.get(BOB, "/activities?position=6").await.ids().is_empty());
}

#[tokio::test]
async fn filters_hold_together_and_each_does_what_it_says() {
    let world = world().await;
    for (filter, expected) in [
        ("action_type=tasks.retitled".to_owned(), vec![6]),
        ("action_type[in]=tasks.retitled,tasks.completed".to_owned(), vec![7, 6]),
        ("action_type[ne]=tasks.retitled&entity_type=task".to_owned(), vec![7, 5]),
        ("entity_type=list".to_owned(), vec![4, 3]),
        (format!("entity_id={}", task_id(1)), vec![7, 6, 5]),
        ("at[gte]=2026-11-23T00:00:00Z".to_owned(), vec![7, 6]),
        ("at[gte]=2026-11-23T09:00:00%2B01:00".to_owned(), vec![7, 6]),
        ("at[lt]=2026-11-23T00:00:00Z&entity_type=task".to_owned(), vec![5]),
        ("actor=agent".to_owned(), vec![6]),
        ("actor[ne]=agent&entity_type=task".to_owned(), vec![7, 5]),
        ("position[gt]=5".to_owned(), vec![7, 6]),
        ("actor=system".to_owned(), vec![]),
    ] {
        let page = world.get(ADA, &format!("/activities?include=total&{filter}")).await.ok();
        assert_eq!((positions(&page), &page["total"]), (expected.clone(), &json!(expected.len())), "{filter}");
    }
}

#[tokio::test]
async fn recent_is_the_last_day_by_the_servers_clock_with_the_pages_and_filters_of_the_list() {
    let world = world().await;
    let page = world.get(ADA, "/activities/recent?include=total&limit=4").await.ok();
    assert_eq!((positions(&page), &page["total"]), (vec![7, 6, 5, 4], &json!(7)));
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(positions(&world.get(ADA, &format!("/activities/recent?cursor={next}")).await.ok()), [3, 2, 1]);
    // All but the last two were recorded at 20:28 of the day before: that very moment is within the day.
    world.clock.set(at("2026-11-23T20:28:00Z"));
    assert_eq!(positions(&world.get(ADA, "/activities/recent?sort=position&limit=2").await.ok()), [1, 2]);
    world.clock.set(at("2026-11-23T20:28:00.000001Z"));
    assert_eq!(positions(&world.get(ADA, "/activities/recent").await.ok()), [7, 6]);
    assert_eq!(positions(&world.get(ADA, "/activities/recent?actor=agent").await.ok()), [6]);
    world.clock.set(at("2026-11-24T08:00:00.000001Z"));
    assert!(world.get(ADA, "/activities/recent").await.ids().is_empty());
    assert!(world.get(BOB, "/activities/recent").await.ids().is_empty());
}

#[tokio::test]
async fn types_are_all_there_are_with_how_often_each_happened() {
    let world = world().await;
    let page = world.get(ADA, "/activities/types").await.ok();
    let types = page["data"].as_array().unwrap();
    assert_eq!(types.len(), orbit_events::Event::types().count());
    let find = |name: &str| types.iter().find(|one| one["action_type"] == name).unwrap();
    assert_json_snapshot!(find("tasks.completed"), @r#"
    {
      "action_type": "tasks.completed",
      "count": 1,
      "description": "A task was done.",
      "entity_type": "task",
      "version": 1
    }
    "#);
    assert_eq!(find("lists.created")["count"], 2);
    assert_eq!(find("tasks.deleted")["count"], 0);
    assert_eq!(world.get(BOB, "/activities/types").await.ok()["data"][0]["count"], 0);
}

#[tokio::test]
async fn a_search_goes_through_the_sentences_newest_first() {
    let world = world().await;
    let page = world.get(ADA, "/activities/search?q=mil&limit=1").await.ok();
    assert_eq!(positions(&page), [7]);
    assert_json_snapshot!(page["data"][0]["highlights"], @r#"
    {
      "description": [
        {
          "hit": false,
          "text": "Completed task “Buy oat "
        },
        {
          "hit": true,
          "text": "milk"
        },
        {
          "hit": false,
          "text": "”"
        }
      ]
    }
    "#);
    let next = page["next_cursor"].as_str().unwrap();
    let rest = world.get(ADA, &format!("/activities/search?q=mil&cursor={next}")).await.ok();
    assert_eq!(positions(&rest), [6, 5]);
    assert!(world.get(BOB, "/activities/search?q=milk").await.ids().is_empty());
}

#[tokio::test]
async fn a_search_finds_what_the_words_of_a_query_ask_for_and_nothing_else() {
    let world = world().await;
    for (query, found) in [
        ("buy milk", vec![7, 6, 5]),
        ("\"buy milk\"", vec![6, 5]),
        ("milk -oat", vec![5]),
        ("-milk", vec![4, 3, 2, 1]),
        ("milk -\"buy milk\"", vec![7]),
        ("completed or created", vec![7, 5, 4, 3]),
        ("MILK", vec![7, 6, 5]),
        ("created mi", vec![5]),
        ("bread", vec![]),
        ("milk bread", vec![]),
        ("\"milk buy\"", vec![]),
        ("'", vec![]),
    ] {
        let page = world.get(ADA, &format!("/activities/search?q={}", encoded(query))).await.ok();
        assert_eq!(positions(&page), found, "{query}: {page:#}");
    }
}

fn encoded(query: &str) -> String {
    query.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"))
}

/// The filter is made without the database; what the database calls a word has to pass it whatever it is.
#[tokio::test]
async fn the_filter_lets_every_word_pass_that_the_database_sees() {
    const PIECES: [&str; 40] = [
        "a",
        "I",
        "ABC",
        "milk",
        "Überraschung",
        "ΟΔΟΣ",
        "Москва",
        "日本語",
        "İstanbul",
        "ǅ",
        "K",
        "ﬁsch",
        "STRAẞE",
        "e\u{301}te",
        "ᾈ",
        "1.250,50",
        "-17",
        "6e23",
        "v1.2.3",
        "2026-11-29",
        "o.brien@example.org",
        "https://example.org/a/b?c=d#e",
        "/usr/local/bin",
        "up-to-date",
        "x-y",
        "_under_score_",
        "don't",
        "\\",
        "''",
        "<b>",
        "&amp;",
        "(",
        ")",
        "|",
        "!",
        ":*",
        "“",
        "…",
        " ",
        "\t",
    ];
    let database = orbit_testing::database().await;
    let mut seed = 1_u64;
    let mut pick = |upto: usize| {
        // Numbers of Knuth's MMIX: the same texts each time.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % upto
    };
    let texts: Vec<String> = (0..2_000)
        .map(|_| (0..=pick(8)).map(|_| [PIECES[pick(PIECES.len())], ["", " "][pick(2)]].concat()).collect())
        .collect();
    let words: Vec<(i64, String)> = sqlx::query_as(
        "SELECT t.at, quote_literal(w.lexeme) FROM unnest($1::text[]) WITH ORDINALITY AS t (text, at),
                unnest(to_tsvector('simple', t.text)) AS w",
    )
    .bind(&texts)
    .fetch_all(database.pool())
    .await
    .unwrap();
    assert!(words.len() > 4_000, "{}", words.len());
    for (at, word) in words {
        let text = &texts[usize::try_from(at).unwrap() - 1];
        let (has, wanted) = (Trigrams::of(text), Trigrams::wanted(word.trim_start_matches('E')));
        let passes = has.low & wanted.low == wanted.low && has.high & wanted.high == wanted.high;
        assert!(passes, "{word} of {text}");
    }
}

/// Activities at the positions 101 to 1400.
async fn more_than_two_batches(world: &World) {
    sqlx::query(
        "INSERT INTO view.activities (id, user_id, position, at, actor, action_type, schema_version, description,
                                      entity_type, entity_id, correlation_id, trigrams_low, trigrams_high)
         SELECT gen_random_uuid(), $1, 100 + n, now(), '{\"type\": \"user\"}', 'tasks.retitled', 1, 'Something', 'task',
                gen_random_uuid(), gen_random_uuid(), -1, -1 FROM generate_series(1, 1300) n",
    )
    .bind(ADA.0)
    .execute(world.database.pool())
    .await
    .unwrap();
    world.checkpoint("activities", ADA, 1400).await;
}

#[tokio::test]
async fn an_export_is_everything_line_by_line_however_much_it_is() {
    let world = world().await;
    more_than_two_batches(&world).await;
    let reply = world.get(ADA, "/activities/export").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"activities.ndjson\""));
    let lines: Vec<Value> = reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let exported: Vec<i64> = lines.iter().map(|line| line["position"].as_i64().unwrap()).collect();
    assert_eq!(exported, (1..=7).chain(101..=1400).collect::<Vec<_>>(), "all of them, in order");
    assert_eq!(lines[5], world.get(ADA, "/activities?position=6").await.ok()["data"][0]);

    let some = world.get(ADA, "/activities/export?position[gt]=1399").await;
    assert_eq!(some.text.lines().count(), 1);
    assert_eq!(world.get(ADA, "/activities/export?actor=agent").await.text.lines().count(), 1);
    let nothing = world.get(BOB, "/activities/export").await;
    assert_eq!((nothing.status, nothing.text.as_str()), (200, ""));
}

#[tokio::test]
async fn an_export_is_cut_off_when_the_read_model_falls_behind_what_it_began_with() {
    let world = world().await;
    more_than_two_batches(&world).await;
    let token = format!("Bearer {}", world.token(ADA));
    let export = world.open("/activities/export", &[("authorization", &token)]).await;
    assert_eq!((export.status().as_u16(), &export.headers()["orbit-as-of"]), (200, &"1400".parse().unwrap()));
    // Folded anew, as far as 300: or a replica that is this far behind.
    world.checkpoint("activities", ADA, 300).await;
    let forget = sqlx::query("DELETE FROM view.activities WHERE position > 300");
    forget.execute(world.database.pool()).await.unwrap();
    assert!(export.into_body().collect().await.is_err(), "a part that looks like the whole");
}
