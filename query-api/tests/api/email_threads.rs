//! Threads of e-mails: lists of them, and one with its e-mails.

use insta::assert_json_snapshot;
use orbit_events::emails::{
    Role,
    email::{Archived, Read, Trashed},
    thread,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    mail::{PROJECTS, address, email_id, ids, place},
    world::{ADA, BOB, World, at},
};

/// 1, 2 and 3 are one conversation; 4 stands alone; 5 and 6 are another.
async fn world() -> World {
    let world = World::new().await.with_mailbox().await;
    for (n, before) in [(1, None), (2, Some(1)), (3, Some(2)), (4, None), (5, None), (6, Some(5))] {
        world
            .mail(n, |mail| {
                mail.subject = Some(format!("Talk {n}"));
                mail.text = format!("Says {n}");
                mail.references = before.map(|before: u128| format!("{before}@example.org")).into_iter().collect();
                if n == 2 {
                    mail.from = Some(address("carol@example.org", "Carol"));
                }
            })
            .await;
    }
    world
}

fn threads(page: &Value) -> Vec<(Uuid, i64, i64)> {
    let row = |row: &Value| {
        (row["id"].as_str().unwrap().parse().unwrap(), row["emails"].as_i64().unwrap(), row["unread"].as_i64().unwrap())
    };
    page["data"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn threads_come_with_the_newest_first_and_any_email_names_its_own() {
    let world = world().await;
    world.on_mail(3, 2, Read {}).await;
    let page = world.get(ADA, "/emails/threads").await.ok();
    assert_eq!(threads(&page), [(email_id(5).0, 2, 2), (email_id(4).0, 1, 1), (email_id(1).0, 3, 2)]);
    assert_json_snapshot!(page["data"][2], @r#"
    {
      "emails": 3,
      "first_date": "2026-11-01T13:00:00Z",
      "has_attachments": false,
      "id": "00000000-000e-3a11-0000-000000000001",
      "is_starred": false,
      "last_date": "2026-11-01T15:00:00Z",
      "last_email_id": "00000000-000e-3a11-0000-000000000003",
      "participants": [
        {
          "email": "bob@example.org",
          "name": "Bob Builder"
        },
        {
          "email": "carol@example.org",
          "name": "Carol"
        }
      ],
      "snippet": "Says 3",
      "subject": "Talk 1",
      "unread": 2
    }
    "#);
    for n in 1..=3 {
        let thread = world.get(ADA, &format!("/emails/threads/{}", email_id(n))).await;
        assert_eq!(thread.ids(), ids(&[1, 2, 3]), "oldest first");
        let thread = thread.ok();
        assert_eq!((&thread["id"], &thread["has_more"]), (&json!(email_id(1)), &json!(false)));
        assert_eq!(thread["data"][1]["thread_id"], json!(email_id(1)));
        let one = world.get(ADA, &format!("/emails/{}", email_id(n))).await.ok();
        assert_eq!(one["thread_id"], json!(email_id(1)));
    }
    assert_eq!(world.get(ADA, &format!("/emails?thread={}", email_id(3))).await.ids(), ids(&[3, 2, 1]));
    for (user, id) in [(BOB, email_id(1).0), (ADA, Uuid::nil())] {
        assert_eq!(world.get(user, &format!("/emails/threads/{id}")).await.status, 404);
    }
    assert_eq!(world.get(BOB, "/emails/threads").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn threads_are_filtered_by_where_their_emails_are_and_whether_they_were_read() {
    let world = world().await;
    world.on_mail(4, 2, Read {}).await;
    world.on_mail(2, 2, Archived {}).await;
    world.mail(7, |mail| mail.place = place(PROJECTS, Role::Other)).await;
    for (filter, expected) in [
        ("unread=true", &[7, 5, 1][..]),
        ("unread=false", &[4]),
        ("folder=archive", &[1]),
        ("folder=inbox", &[5, 4, 1]),
        ("folder=inbox&unread=true", &[5, 1]),
        ("folder=sent", &[]),
        (&format!("folder={PROJECTS}"), &[7]),
    ] {
        let page = world.get(ADA, &format!("/emails/threads?{filter}")).await;
        assert_eq!(page.ids(), ids(expected), "{filter}");
    }
}

#[tokio::test]
async fn what_is_in_the_trash_is_no_part_of_a_conversation() {
    let world = world().await;
    for n in [2, 4] {
        world.on_mail(n, 2, Trashed { trashed_at: at("2026-11-22T10:00:00Z") }).await;
    }
    let page = world.get(ADA, "/emails/threads").await.ok();
    assert_eq!(threads(&page), [(email_id(5).0, 2, 2), (email_id(1).0, 2, 2)]);
    assert_eq!(world.get(ADA, &format!("/emails/threads/{}", email_id(2))).await.ids(), ids(&[1, 3]));
    assert_eq!(world.get(ADA, &format!("/emails/threads/{}", email_id(4))).await.status, 404);
}

#[tokio::test]
async fn what_a_user_decides_about_threads_is_so() {
    let world = world().await;
    let merged = thread::Merged { email_ids: vec![email_id(1), email_id(4)] };
    world.record(ADA, Uuid::from_u128(0xdec1), 1, thread::Event::from(merged)).await;
    assert_eq!(world.get(ADA, &format!("/emails/threads/{}", email_id(4))).await.ids(), ids(&[1, 2, 3, 4]));
    let split = thread::Split { email_ids: vec![email_id(3)] };
    world.record(ADA, Uuid::from_u128(0xdec2), 1, thread::Event::from(split)).await;
    assert_eq!(world.get(ADA, &format!("/emails/threads/{}", email_id(3))).await.ids(), ids(&[3]));
    assert_eq!(world.get(ADA, &format!("/emails/threads/{}", email_id(4))).await.ids(), ids(&[1, 2, 4]));
}

#[tokio::test]
async fn pages_of_threads_add_up_to_all_of_them() {
    let world = World::new().await.with_mailbox().await;
    for n in 1..=7 {
        world
            .mail(n, |mail| {
                mail.date = at("2026-11-01T00:00:00Z") + chrono::TimeDelta::minutes(i64::try_from(n / 3).unwrap());
            })
            .await;
    }
    let whole = world.get(ADA, "/emails/threads").await.ids();
    assert_eq!(whole, ids(&[7, 6, 5, 4, 3, 2, 1]));
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(ADA, &format!("/emails/threads?limit=2{cursor}")).await;
        walked.extend(page.ids());
        let Some(next) = page.json()["next_cursor"].as_str().map(str::to_owned) else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(walked, whole);
}
