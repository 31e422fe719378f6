//! What Ada writes: drafts, what is being sent, uploads.

use insta::assert_json_snapshot;
use orbit_events::{
    AttachmentId, DraftId, SubmissionId, UserId,
    emails::{Content, Recipient, attachment, draft, submission},
    tasks::Author,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    mail::{address, email_id, nowhere},
    world::{ADA, BOB, World, at},
};

const FILE: AttachmentId = AttachmentId(Uuid::from_u128(0xaf1));

fn draft_id(n: u128) -> DraftId {
    DraftId(Uuid::from_u128((0xd4af << 64) + n))
}

fn submission_id(n: u128) -> SubmissionId {
    SubmissionId(Uuid::from_u128((0x5b << 64) + n))
}

fn content(subject: &str) -> Content {
    Content {
        connection_id: None,
        reply_to_email_id: Some(email_id(1)),
        to: vec![address("bob@example.org", "Bob")],
        cc: vec![],
        bcc: vec![address("eve@example.org", "")],
        subject: subject.to_owned(),
        body: "At noon?".to_owned(),
        attachments: vec![FILE],
    }
}

impl World {
    async fn draft(&self, n: u128, version: i64, event: impl Into<draft::Event>) {
        self.record(ADA, draft_id(n).0, version, event.into()).await;
    }

    async fn submission(&self, n: u128, version: i64, event: impl Into<submission::Event>) {
        self.record(ADA, submission_id(n).0, version, event.into()).await;
    }

    async fn submit(&self, n: u128) {
        let submitted = submission::Submitted {
            content: content("Lunch?"),
            from: address("ada@example.org", "Ada"),
            message_id: format!("{n}@sent.example"),
            in_reply_to: None,
            references: vec![],
            attachments: vec![],
            draft_id: Some(draft_id(1)),
            date: self.clock.now(),
            attempts_at_most: 20,
            created_by: Author::User,
        };
        self.submission(n, 1, submitted).await;
        self.submission(n, 2, submission::Held { until: at("2026-11-22T20:28:10Z"), scheduled: false }).await;
    }
}

async fn get(world: &World, user: UserId, path: &str) -> u16 {
    world.get(user, path).await.status
}

#[tokio::test]
async fn drafts_are_listed_while_they_are_written() {
    let world = World::new().await.with_ada().await;
    for n in 1..=4 {
        world.clock.advance(chrono::TimeDelta::minutes(1));
        world.draft(n, 1, draft::Drafted { content: content(&format!("Draft {n}")), created_by: Author::Agent }).await;
    }
    world.clock.advance(chrono::TimeDelta::minutes(1));
    world.draft(1, 2, draft::Edited { content: content("Edited") }).await;
    world.draft(2, 2, draft::Discarded {}).await;
    world.draft(3, 2, draft::Submitted { submission_id: submission_id(1) }).await;
    let listed = |expected: &[u128]| expected.iter().map(|n| draft_id(*n).0).collect::<Vec<_>>();
    assert_eq!(world.get(ADA, "/emails/drafts").await.ids(), listed(&[1, 4]));
    assert_eq!(world.get(ADA, "/emails/drafts?status=discarded").await.ids(), listed(&[2]));
    assert_eq!(world.get(ADA, "/emails/drafts?status=sent").await.ids(), listed(&[3]));
    let first = world.get(ADA, "/emails/drafts?limit=1").await;
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(world.get(ADA, &format!("/emails/drafts?limit=1&cursor={cursor}")).await.ids(), listed(&[4]));
    let path = format!("/emails/drafts/{}", draft_id(1));
    let reply = world.get(ADA, &path).await;
    assert_eq!(reply.header("etag"), Some("\"2\""));
    assert_json_snapshot!(reply.ok(), @r#"
    {
      "attachments": [
        "00000000-0000-0000-0000-000000000af1"
      ],
      "bcc": [
        {
          "email": "eve@example.org",
          "name": null
        }
      ],
      "body": "At noon?",
      "cc": [],
      "connection_id": null,
      "created_at": "2026-11-22T20:29:00Z",
      "created_by": "agent",
      "id": "00000000-0000-d4af-0000-000000000001",
      "reply_to_email_id": "00000000-000e-3a11-0000-000000000001",
      "status": "pending",
      "subject": "Edited",
      "submission_id": null,
      "to": [
        {
          "email": "bob@example.org",
          "name": "Bob"
        }
      ],
      "updated_at": "2026-11-22T20:33:00Z",
      "version": 2
    }
    "#);
    assert_eq!(world.get_with(ADA, &path, &[("if-none-match", "\"2\"")]).await.status, 304);
    assert_eq!(world.get_with(ADA, &path, &[("if-none-match", "\"1\"")]).await.status, 200);
    let sent = world.get(ADA, &format!("/emails/drafts/{}", draft_id(3))).await.ok();
    assert_eq!((&sent["status"], &sent["submission_id"]), (&json!("sent"), &json!(submission_id(1))));
    assert_eq!(get(&world, BOB, &path).await, 404);
    assert!(world.get(BOB, "/emails/drafts").await.ids().is_empty());
}

#[tokio::test]
async fn what_is_sent_tells_how_far_it_is() {
    let world = World::new().await.with_ada().await;
    for n in 1..=3 {
        world.clock.advance(chrono::TimeDelta::minutes(1));
        world.submit(n).await;
    }
    let path = format!("/emails/submissions/{}", submission_id(1));
    let reply = world.get(ADA, &path).await;
    assert_eq!(reply.header("etag"), Some("\"2\""));
    assert_json_snapshot!(reply.ok(), @r#"
    {
      "attempts": 0,
      "bcc": [
        {
          "email": "eve@example.org",
          "name": null
        }
      ],
      "bounced": false,
      "cc": [],
      "connection_id": null,
      "created_at": "2026-11-22T20:29:00Z",
      "created_by": "user",
      "draft_id": "00000000-0000-d4af-0000-000000000001",
      "failure_code": null,
      "failure_detail": null,
      "from": {
        "email": "ada@example.org",
        "name": "Ada"
      },
      "hold_until": "2026-11-22T20:28:10Z",
      "id": "00000000-0000-005b-0000-000000000001",
      "message_id": "1@sent.example",
      "next_attempt_at": "2026-11-22T20:28:10Z",
      "results": [],
      "scheduled": false,
      "sent_at": null,
      "status": "held",
      "subject": "Lunch?",
      "to": [
        {
          "email": "bob@example.org",
          "name": "Bob"
        }
      ],
      "updated_at": "2026-11-22T20:29:00Z",
      "version": 2
    }
    "#);
    world.submission(1, 3, submission::Attempted { attempt: 1, lease_until: at("2026-11-22T20:40:00Z") }).await;
    let answer = Recipient { email: "bob@example.org".to_owned(), accepted: true, code: Some(250), detail: None };
    let sent = submission::Sent { sent_at: at("2026-11-22T20:30:00Z"), recipients: vec![answer], found_in_sent: false };
    world.submission(1, 4, sent).await;
    world.submission(2, 3, submission::Cancelled {}).await;
    let one = world.get(ADA, &path).await.ok();
    assert_eq!(
        (&one["status"], &one["attempts"], &one["sent_at"]),
        (&json!("sent"), &json!(1), &json!("2026-11-22T20:30:00Z"))
    );
    assert_eq!(one["results"][0]["accepted"], json!(true));
    let listed = |expected: &[u128]| expected.iter().map(|n| submission_id(*n).0).collect::<Vec<_>>();
    assert_eq!(world.get(ADA, "/emails/submissions").await.ids(), listed(&[3, 2, 1]));
    assert_eq!(world.get(ADA, "/emails/submissions?status=held").await.ids(), listed(&[3]));
    assert_eq!(world.get(ADA, "/emails/submissions?status=cancelled").await.ids(), listed(&[2]));
    assert_eq!(world.get_with(ADA, &path, &[("if-none-match", "\"4\"")]).await.status, 304);
    assert_eq!(get(&world, BOB, &path).await, 404);
    assert!(world.get(BOB, "/emails/submissions").await.ids().is_empty());
}

#[tokio::test]
async fn uploads_are_there_until_they_are_thrown_away() {
    let world = World::new().await.with_ada().await;
    let uploaded = attachment::Uploaded {
        filename: "menu.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        size: 100,
        raw: nowhere(),
    };
    world.record(ADA, FILE.0, 1, attachment::Event::from(uploaded)).await;
    let path = format!("/emails/attachments/{FILE}");
    let reply = world.get(ADA, &path).await;
    assert_eq!(reply.header("etag"), Some("\"1\""));
    assert_json_snapshot!(reply.ok(), @r#"
    {
      "content_type": "application/pdf",
      "created_at": "2026-11-22T20:28:00Z",
      "filename": "menu.pdf",
      "id": "00000000-0000-0000-0000-000000000af1",
      "sha256": "abababababababababababababababababababababababababababababababab",
      "size": 100,
      "version": 1
    }
    "#);
    assert_eq!(world.get(ADA, "/emails/attachments").await.ids(), [FILE.0]);
    assert_eq!(world.get_with(ADA, &path, &[("if-none-match", "\"1\"")]).await.status, 304);
    assert_eq!(get(&world, BOB, &path).await, 404);
    assert!(world.get(BOB, "/emails/attachments").await.ids().is_empty());
    world.record(ADA, FILE.0, 2, attachment::Event::from(attachment::Discarded {})).await;
    assert_eq!(get(&world, ADA, &path).await, 404);
    assert!(world.get(ADA, "/emails/attachments").await.ids().is_empty());
}
