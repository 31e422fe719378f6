//! E-mails as of a moment: what was answered then is answered again, by every route.

use chrono::TimeDelta;
use orbit_events::{
    Event,
    emails::{
        Role,
        email::{self, Archived, Deleted, Labelled, Moved, Read, Restored, Snoozed, Starred, Trashed},
        folder, thread,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    mail::{INBOX, PROJECTS, email_id, place, plain},
    world::{ADA, Reply, World, at},
};

/// Every read of e-mails there is.
fn paths() -> Vec<String> {
    let lists = [
        "/emails?include=total",
        "/emails?label=work",
        "/emails?folder=other",
        "/emails/unread",
        "/emails/snoozed",
        "/emails/trash",
        "/emails/search?q=lunch",
        "/emails?q=-lunch",
        "/emails/threads",
        "/emails/folders",
        "/emails/labels",
        "/emails/drafts",
        "/emails/submissions",
        "/emails/attachments",
    ];
    let mut paths = lists.map(str::to_owned).to_vec();
    paths.extend((1..=3).flat_map(|n| {
        [
            format!("/emails/{}", email_id(n)),
            format!("/emails/threads/{}", email_id(n)),
            format!("/emails?thread={}", email_id(n)),
        ]
    }));
    paths.extend([INBOX, PROJECTS].map(|id| format!("/emails/folders/{id}")));
    paths
}

/// Status and body of an answer. Of one e-mail the past does not know its thread.
fn essence(reply: &Reply) -> (u16, Value) {
    let mut body: Value = serde_json::from_str(&reply.text).unwrap_or_else(|_| json!(reply.text));
    if let Some(body) = body.as_object_mut() {
        body.retain(|name, _| !(name == "thread_id" || name == "instance" || name == "request_id"));
    }
    (reply.status, body)
}

fn facts() -> Vec<(Uuid, i64, Event)> {
    let observed = |path: &str, role| folder::Observed {
        connection_id: None,
        path: path.to_owned(),
        name: path.to_owned(),
        role,
        delimiter: None,
    };
    let received = |n: u128, words: &str, before: Option<u128>| {
        let mut received = plain(n);
        words.clone_into(&mut received.text);
        received.references = before.map(|before| format!("{before}@example.org")).into_iter().collect();
        let version = 1;
        (email_id(n).0, version, email::Event::from(received).into())
    };
    let on = |n: u128, version: i64, event: email::Event| (email_id(n).0, version, event.into());
    let merged = thread::Merged { email_ids: vec![email_id(1), email_id(2)] };
    vec![
        (INBOX.0, 1, folder::Event::from(observed("inbox", Role::Inbox)).into()),
        (PROJECTS.0, 1, folder::Event::from(observed("Projects", Role::Other)).into()),
        received(1, "Shall we have lunch?", None),
        received(2, "The invoice", None),
        on(1, 2, Read {}.into()),
        received(3, "Lunch at noon", Some(1)),
        on(1, 3, Starred {}.into()),
        on(2, 2, Labelled { label: "work".to_owned() }.into()),
        on(2, 3, Moved { place: place(PROJECTS, Role::Other) }.into()),
        (PROJECTS.0, 2, folder::Event::from(observed("Work", Role::Other)).into()),
        (Uuid::from_u128(0xdec1), 1, thread::Event::from(merged).into()),
        on(3, 2, Snoozed { until: Some(at("2026-11-23T20:00:00Z")) }.into()),
        on(1, 4, Archived {}.into()),
        on(2, 4, Trashed { trashed_at: at("2026-11-23T20:00:00Z") }.into()),
        on(2, 5, Restored {}.into()),
        (Uuid::from_u128(0xdec1), 2, thread::Event::from(thread::Dissolved {}).into()),
        on(3, 3, Trashed { trashed_at: at("2026-11-23T20:00:00Z") }.into()),
        on(3, 4, Deleted {}.into()),
    ]
}

#[tokio::test]
async fn every_read_answers_again_what_it_answered_when_the_position_was_the_head() {
    let world = World::logged().await.with_ada().await;
    let mut moments = Vec::new();
    for (stream, version, event) in facts() {
        world.clock.advance(TimeDelta::minutes(97));
        let position = world.record(ADA, stream, version, event).await;
        let mut answers = Vec::new();
        for path in paths() {
            answers.push(essence(&world.get(ADA, &path).await));
        }
        moments.push((position, answers));
    }
    for (position, answers) in moments {
        for (path, answered) in paths().iter().zip(answers) {
            let path = format!("{path}{}as_of={position}", if path.contains('?') { '&' } else { '?' });
            let reply = world.get(ADA, &path).await;
            assert_eq!(essence(&reply), answered, "{path}");
            assert_eq!(reply.header("orbit-as-of"), Some(position.to_string().as_str()), "{path}");
            if reply.status == 200 && answered.1.get("html_available").is_some() {
                assert_eq!(reply.json()["thread_id"], json!(null), "{path}");
            }
        }
    }
}
