//! The emails context: one e-mail whole, folders with their counts, labels.

use insta::assert_json_snapshot;
use orbit_events::emails::{
    Encoding, Part, Role,
    email::{Archived, Deleted, Labelled, Moved, Read, Starred, Trashed},
    folder,
};
use serde_json::json;

use crate::{
    mail::{INBOX, PROJECTS, TRASH, address, email_id, place},
    world::{ADA, BOB, World, at},
};

/// An e-mail that says something in every field.
async fn lunch(world: &World) {
    world
        .mail(1, |mail| {
            mail.subject = Some("Lunch?".to_owned());
            "Are you\n free at noon?".clone_into(&mut mail.text);
            mail.cc = vec![address("eve@example.org", "")];
            mail.reply_to = vec![address("bob@home.example", "Bob at home")];
            mail.in_reply_to = vec!["0@example.org".to_owned()];
            mail.references = vec!["00@example.org".to_owned(), "0@example.org".to_owned()];
            mail.notes = vec!["no_date".to_owned()];
            mail.labels = vec!["friends".to_owned()];
            mail.parts = vec![Part {
                path: "2".to_owned(),
                filename: Some("menu.pdf".to_owned()),
                content_type: "application/pdf".to_owned(),
                size: 12,
                sha256: None,
                inline: false,
                content_id: None,
                offset: 300,
                length: 16,
                encoding: Encoding::Base64,
            }];
        })
        .await;
}

#[tokio::test]
async fn one_email_is_told_whole() {
    let world = World::new().await.with_mailbox().await;
    lunch(&world).await;
    let path = format!("/emails/{}", email_id(1));
    let reply = world.get(ADA, &path).await;
    assert_eq!((reply.header("etag"), reply.header("orbit-as-of")), (Some("\"1\""), Some("10")));
    assert_json_snapshot!(reply.ok(), @r#"
    {
      "attachments": [
        {
          "content_id": null,
          "content_type": "application/pdf",
          "filename": "menu.pdf",
          "inline": false,
          "n": 1,
          "path": "2",
          "sha256": null,
          "size": 12
        }
      ],
      "bcc": [],
      "bcc_emails": [],
      "blocked_images": 0,
      "body_html": null,
      "body_text": "Are you\n free at noon?",
      "cc": [
        {
          "email": "eve@example.org",
          "name": null
        }
      ],
      "cc_emails": [
        "eve@example.org"
      ],
      "created_at": "2026-11-22T20:28:00Z",
      "date": "2026-11-01T13:00:00Z",
      "folder": "inbox",
      "folder_id": "00000000-0000-0000-0000-0000000000f1",
      "from_email": "bob@example.org",
      "from_name": "Bob Builder",
      "has_attachments": true,
      "html_available": false,
      "id": "00000000-000e-3a11-0000-000000000001",
      "in_reply_to": [
        "0@example.org"
      ],
      "is_archived": false,
      "is_read": false,
      "is_starred": false,
      "labels": [
        "friends"
      ],
      "language": "en",
      "message_id": "1@example.org",
      "notes": [
        "no_date"
      ],
      "raw_sha256": "abababababababababababababababababababababababababababababababab",
      "received_at": "2026-11-01T13:00:00Z",
      "references": [
        "00@example.org",
        "0@example.org"
      ],
      "reply_to": [
        {
          "email": "bob@home.example",
          "name": "Bob at home"
        }
      ],
      "size": 1000,
      "snippet": "Are you free at noon?",
      "snoozed_until": null,
      "subject": "Lunch?",
      "synced_at": "2026-11-22T20:28:00Z",
      "text_truncated": false,
      "thread_id": "00000000-000e-3a11-0000-000000000001",
      "to": [
        {
          "email": "ada@example.org",
          "name": "Ada"
        }
      ],
      "to_emails": [
        "ada@example.org"
      ],
      "trashed_at": null,
      "updated_at": "2026-11-22T20:28:00Z",
      "version": 1
    }
    "#);
    let (listed, whole) = (world.get(ADA, "/emails").await.ok(), world.get(ADA, &path).await.ok());
    let listed = listed["data"][0].as_object().unwrap();
    assert!(listed.len() == 25 && listed.iter().all(|(name, value)| whole[name] == *value), "{listed:?}");
}

#[tokio::test]
async fn marks_show_where_an_email_is_to_be_found() {
    let world = World::new().await.with_mailbox().await;
    world.mail(1, |_| ()).await;
    let path = format!("/emails/{}", email_id(1));
    world.on_mail(1, 2, Read {}).await;
    world.on_mail(1, 3, Starred {}).await;
    world.on_mail(1, 4, Moved { place: place(PROJECTS, Role::Other) }).await;
    let email = world.get(ADA, &path).await.ok();
    assert_eq!((&email["is_read"], &email["is_starred"]), (&json!(true), &json!(true)));
    assert_eq!((&email["folder"], &email["folder_id"]), (&json!("Work/Projects"), &json!(PROJECTS)));
    world.on_mail(1, 5, Archived {}).await;
    let email = world.get(ADA, &path).await.ok();
    assert_eq!((&email["folder"], &email["folder_id"]), (&json!("archive"), &json!(PROJECTS)));
    world.on_mail(1, 6, Trashed { trashed_at: at("2026-11-22T10:00:00Z") }).await;
    let reply = world.get(ADA, &path).await;
    assert_eq!(reply.header("etag"), Some("\"6\""));
    let email = reply.ok();
    assert_eq!((&email["folder"], &email["trashed_at"]), (&json!("trash"), &json!("2026-11-22T10:00:00Z")));
    world.on_mail(1, 7, Deleted {}).await;
    assert_eq!(world.get(ADA, &path).await.status, 404);
}

#[tokio::test]
async fn folders_count_what_is_to_be_found_in_them() {
    let world = World::new().await.with_mailbox().await;
    for n in 1..=6 {
        world.mail(n, |mail| mail.is_read = n % 2 == 0).await;
    }
    world.on_mail(1, 2, Archived {}).await;
    world.on_mail(2, 2, Trashed { trashed_at: at("2026-11-22T10:00:00Z") }).await;
    world.on_mail(3, 2, Moved { place: place(PROJECTS, Role::Other) }).await;
    world.mail(7, |mail| mail.place = place(TRASH, Role::Trash)).await;
    let folders = world.get(ADA, "/emails/folders").await.ok();
    let counts: Vec<_> = folders["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|folder| (folder["path"].as_str().unwrap(), folder["emails"].as_i64(), folder["unread"].as_i64()))
        .collect();
    let count = |emails, unread| (Some(emails), Some(unread));
    let expected = [
        ("Work/Projects", count(1, 1)),
        ("archive", count(1, 1)),
        ("inbox", count(3, 1)),
        ("sent", count(0, 0)),
        ("trash", count(2, 1)),
    ];
    let mut counts: Vec<_> = counts.into_iter().map(|(path, emails, unread)| (path, (emails, unread))).collect();
    counts.sort_unstable();
    assert_eq!(counts, expected);
    let inbox = world.get(ADA, &format!("/emails/folders/{INBOX}")).await;
    assert_eq!(inbox.header("etag"), Some("\"1\""));
    let inbox = inbox.ok();
    assert_eq!((&inbox["emails"], &inbox["role"], &inbox["name"]), (&json!(3), &json!("inbox"), &json!("inbox")));
    assert_eq!(world.get(BOB, &format!("/emails/folders/{INBOX}")).await.status, 404);
    world.record(ADA, PROJECTS.0, 2, folder::Event::from(folder::Removed {})).await;
    assert_eq!(world.get(ADA, &format!("/emails/folders/{PROJECTS}")).await.status, 404);
}

#[tokio::test]
async fn of_several_folders_for_the_trash_the_first_counts_what_is_there_by_a_mark() {
    let world = World::new().await.with_mailbox().await;
    let other = orbit_events::FolderId(uuid::Uuid::from_u128(0xf9));
    let observed = folder::Observed {
        connection_id: None,
        path: "zz/trash".to_owned(),
        name: "trash".to_owned(),
        role: Role::Trash,
        delimiter: None,
    };
    world.record(ADA, other.0, 1, folder::Event::from(observed)).await;
    world.mail(1, |_| ()).await;
    world.on_mail(1, 2, Trashed { trashed_at: at("2026-11-22T10:00:00Z") }).await;
    world.mail(2, |mail| mail.place = place(other, Role::Trash)).await;
    for folder in [TRASH, other] {
        let folder = world.get(ADA, &format!("/emails/folders/{folder}")).await.ok();
        assert_eq!(folder["emails"], 1, "{folder}");
    }
}

#[tokio::test]
async fn labels_are_those_that_are_on_emails() {
    let world = World::new().await.with_mailbox().await;
    world.mail(1, |mail| mail.labels = vec!["work".to_owned(), "Äpfel".to_owned()]).await;
    world.mail(2, |mail| mail.labels = vec!["work".to_owned()]).await;
    world.on_mail(2, 2, Labelled { label: "home".to_owned() }).await;
    let mut all = Vec::new();
    let mut path = "/emails/labels?limit=1".to_owned();
    loop {
        let page = world.get(ADA, &path).await.ok();
        for label in page["data"].as_array().unwrap() {
            all.push((label["label"].as_str().unwrap().to_owned(), label["emails"].as_i64().unwrap()));
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/emails/labels?limit=1&cursor={cursor}");
    }
    all.sort_unstable();
    assert_eq!(all, [("home".to_owned(), 1), ("work".to_owned(), 2), ("Äpfel".to_owned(), 1)]);
    assert_eq!(world.get(BOB, "/emails/labels").await.ok()["data"], json!([]));
}
