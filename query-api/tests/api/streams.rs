//! Streams of facts: from any position, live, resumable, and no longer than they may.

use std::time::Duration;

use axum::body::Body;
use chrono::TimeDelta;
use http_body_util::BodyExt;
use orbit_events::{
    subjects,
    tasks::task::Retitled,
    users::{api_token::Revoked, user},
};
use serde_json::{Value, json};

use crate::{
    api_tokens::{append, issue},
    world::{ADA, BOB, World, task_id},
};

const SOON: Duration = Duration::from_secs(40);

/// An open stream.
struct Open {
    body: Body,
    text: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Told {
    id: Option<i64>,
    event: String,
    data: Value,
}

impl Open {
    async fn of(world: &World, query: &str, headers: &[(&str, &str)]) -> Self {
        Self::by(world, &world.token(ADA), query, headers).await
    }

    async fn by(world: &World, token: &str, query: &str, headers: &[(&str, &str)]) -> Self {
        let token = format!("Bearer {token}");
        let mut all = vec![("authorization", token.as_str())];
        all.extend(headers);
        let response = world.open(&format!("/events/stream{query}"), &all).await;
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(response.headers().contains_key("orbit-as-of"));
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event; nothing at the end.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                // What has no data is no event: a comment, or how long to wait before coming back.
                let Some(data) = field("data") else { continue };
                return Some(Told {
                    id: field("id").map(|id| id.parse().unwrap()),
                    event: field("event").unwrap().to_owned(),
                    data: serde_json::from_str(data).unwrap(),
                });
            }
            let frame = tokio::time::timeout(SOON, self.body.frame()).await.expect("nothing is told");
            self.text.push_str(std::str::from_utf8(&frame?.unwrap().into_data().unwrap()).unwrap());
        }
    }

    async fn some(&mut self, count: usize) -> Vec<Told> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.next().await.expect("the stream ended"));
        }
        all
    }
}

fn ids(told: &[Told]) -> Vec<i64> {
    told.iter().map(|one| one.id.unwrap()).collect()
}

async fn retitle(world: &World, version: i64) -> i64 {
    world.on_task(1, version, Retitled { title: format!("Title {version}") }).await
}

/// Ada's account, login, two lists and a task are 5 facts.
async fn world() -> World {
    let world = World::logged().await.with_ada().await;
    world.task(1, |_| {}).await;
    world
}

#[tokio::test]
async fn a_stream_tells_what_has_happened_since_a_position_and_then_what_happens() {
    let world = world().await;
    let mut stream = Open::of(&world, "?from=0", &[]).await;
    let past = stream.some(5).await;
    let page = world.get(ADA, "/history?sort=position").await.ok();
    for (told, fact) in past.iter().zip(page["data"].as_array().unwrap()) {
        assert_eq!((&told.data, told.event.as_str()), (fact, fact["type"].as_str().unwrap()));
        assert_eq!(json!(told.id), fact["position"]);
    }
    // Somebody else's facts come between, and nobody announces anything: the broker may as well be away.
    world.register(BOB, "Bob", "Europe/Berlin").await;
    let position = retitle(&world, 2).await;
    let told = stream.next().await.unwrap();
    assert_eq!(
        (told.id, told.event.as_str(), &told.data["data"]),
        (Some(position), "tasks.retitled", &json!({"title": "Title 2"}))
    );
    // Announced, it comes too.
    let position = retitle(&world, 3).await;
    let subject = subjects::appended(world.nats.prefix());
    world.nats.client().publish(subject, position.to_string().into()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().id, Some(position));
}

#[tokio::test]
async fn a_stream_goes_on_where_the_last_one_ended_and_tells_nothing_twice() {
    let world = world().await;
    let mut stream = Open::of(&world, "?from=2", &[]).await;
    assert_eq!(ids(&stream.some(2).await), [3, 4]);
    drop(stream);
    retitle(&world, 2).await;
    let mut stream = Open::of(&world, "?from=2", &[("last-event-id", "4")]).await;
    assert_eq!(ids(&stream.some(2).await), [5, 6]);
    // As far as it has seen there was nothing: then it says how far that is.
    let mut stream = Open::of(&world, "?from=0", &[("last-event-id", "6")]).await;
    let told = stream.next().await.unwrap();
    assert_eq!((told.id, told.event.as_str(), told.data), (Some(6), "position", json!({"position": 6})));
    let reply = world.get_with(ADA, "/events/stream", &[("last-event-id", "99")]).await;
    assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("projection_lag")), "no fact has that position");
}

#[tokio::test]
async fn without_a_position_a_stream_begins_now_and_filters_let_the_position_go_on() {
    let world = world().await;
    let mut stream = Open::of(&world, "?type=tasks.retitled", &[]).await;
    let begun = stream.next().await.unwrap();
    assert_eq!((begun.id, begun.event.as_str()), (Some(5), "position"));
    world.label(1, "urgent").await;
    let position = retitle(&world, 2).await;
    assert_eq!(stream.next().await.unwrap().id, Some(position));
    let some = Open::of(&world, "?from=0&category[in]=lists,labels&entity_type[ne]=label", &[]).await.some(2).await;
    assert_eq!(ids(&some), [3, 4]);
    let mut one = Open::of(&world, &format!("?from=0&entity={}", task_id(1)), &[]).await;
    assert_eq!(ids(&one.some(2).await), [5, position]);
}

#[tokio::test]
async fn a_long_past_comes_page_by_page_and_what_cannot_be_read_is_not_left_out() {
    let world = world().await;
    let many = "INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                        schema_version, data, metadata, recorded_at)
                SELECT 5 + n, gen_random_uuid(), user_id, partition, category, stream_id, 1 + n, type, schema_version,
                       data, metadata, recorded_at FROM log.events, generate_series(1, 350) n WHERE position = 5";
    sqlx::query(many).execute(world.database.pool()).await.unwrap();
    sqlx::query("UPDATE log.head SET position = 355").execute(world.database.pool()).await.unwrap();
    let all = Open::of(&world, "?from=0", &[]).await.some(355).await;
    assert_eq!(ids(&all), (1..=355).collect::<Vec<_>>());
    // A payload opens at its own place only.
    assert_eq!(all[100].data["unreadable"], "does_not_open");
}

#[tokio::test]
async fn a_user_has_five_streams_and_no_more() {
    let world = world().await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(Open::of(&world, "", &[]).await);
    }
    let refused = world.get(ADA, "/events/stream").await;
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("too_many_streams")));
    assert!(refused.header("retry-after").is_some());
    open.pop();
    open.push(Open::of(&world, "", &[]).await);
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let world = world().await;
    let mut stream = Open::of(&world, "", &[]).await;
    assert_eq!(stream.next().await.unwrap().event, "position");
    world.clock.advance(TimeDelta::minutes(16));
    retitle(&world, 2).await;
    let closed = stream.next().await.unwrap();
    assert_eq!((closed.id, closed.event.as_str(), closed.data), (None, "closed", json!({"code": "token_expired"})));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_stream_ends_when_its_user_is_forgotten_and_tells_nothing_before_that() {
    let world = world().await;
    let mut stream = Open::of(&world, "?from=5", &[]).await;
    assert_eq!(stream.next().await.unwrap().event, "position");
    world.record(ADA, ADA.0, 2, user::Event::from(user::Erased {})).await;
    let closed = stream.next().await.unwrap();
    assert_eq!((closed.event.as_str(), closed.data), ("closed", json!({"code": "invalid_token"})));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_stream_that_is_silent_says_how_far_it_is_and_looks_whether_it_still_may() {
    let world = world().await;
    let token = issue(&world, 1, &["history:read"], None).await;
    // Nothing of the kind happens.
    let filter = "?from=0&type=tasks.deleted";
    let (mut own, mut of_token) =
        (Open::of(&world, filter, &[]).await, Open::by(&world, &token.expose(), filter, &[]).await);
    let begun = [own.next().await.unwrap(), of_token.next().await.unwrap()];
    assert!(begun.iter().all(|told| (told.id, told.event.as_str()) == (Some(6), "position")), "{begun:?}");
    append(&world, ADA, token.id(), 2, Revoked {}.into()).await;
    let (beat, closed) = tokio::join!(own.next(), of_token.next());
    let beat = beat.unwrap();
    assert_eq!((beat.id, beat.event.as_str()), (Some(7), "position"));
    assert_eq!(closed.unwrap().data, json!({"code": "invalid_token"}));
}

#[tokio::test]
async fn a_stream_ends_when_the_server_does() {
    let world = world().await;
    let mut stream = Open::of(&world, "?from=4", &[]).await;
    assert_eq!(stream.next().await.unwrap().id, Some(5));
    world.stop();
    let closed = stream.next().await.unwrap();
    assert_eq!((closed.event.as_str(), closed.data), ("closed", json!({"code": "shutting_down"})));
    assert_eq!(stream.next().await, None);
}
