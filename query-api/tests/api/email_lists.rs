//! Lists of e-mails: what they leave out, their filters, their pages.

use orbit_events::emails::{
    Encoding, Part, Role,
    email::{Archived, Snoozed, Trashed},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    mail::{INBOX, PROJECTS, SENT, address, email_id, ids, place},
    world::{ADA, BOB, World, at, encode},
};

/// One of each kind: 1 in the inbox, 2 read, 3 starred and archived, 4 in the trash, 5 junk, 6 put off, 7 put off once,
/// 8 with a file in a folder of Ada's own, 9 sent by her.
async fn world() -> World {
    let world = World::new().await.with_mailbox().await;
    world.mail(1, |_| ()).await;
    world.mail(2, |mail| mail.is_read = true).await;
    world
        .mail(3, |mail| {
            mail.is_starred = true;
            mail.labels = vec!["work".to_owned(), "later".to_owned()];
        })
        .await;
    world.on_mail(3, 2, Archived {}).await;
    world.mail(4, |mail| mail.labels = vec!["work".to_owned()]).await;
    world.on_mail(4, 2, Trashed { trashed_at: at("2026-11-22T10:00:00Z") }).await;
    world.mail(5, |mail| mail.place.role = Role::Junk).await;
    world.mail(6, |_| ()).await;
    world.on_mail(6, 2, Snoozed { until: Some(at("2026-11-23T08:00:00Z")) }).await;
    world.mail(7, |_| ()).await;
    world.on_mail(7, 2, Snoozed { until: Some(at("2026-11-22T08:00:00Z")) }).await;
    world
        .mail(8, |mail| {
            mail.place = place(PROJECTS, Role::Other);
            mail.language = Some("de".to_owned());
            mail.labels = vec!["work".to_owned()];
            mail.parts = vec![Part {
                path: "2".to_owned(),
                filename: None,
                content_type: "text/plain".to_owned(),
                size: 1,
                sha256: None,
                inline: false,
                content_id: None,
                offset: 0,
                length: 1,
                encoding: Encoding::Identity,
            }];
        })
        .await;
    world
        .mail(9, |mail| {
            mail.place = place(SENT, Role::Sent);
            mail.is_read = true;
            mail.from = Some(address("ada@example.org", "Ada"));
            mail.to = vec![address("carol.danvers@mail.example", "Carol")];
        })
        .await;
    world
}

async fn assert_lists(world: &World, path: &str, expected: &[u128]) {
    assert_eq!(world.get(ADA, path).await.ids(), ids(expected), "{path}");
}

#[tokio::test]
async fn filters_hold_together_and_each_does_what_it_says() {
    let world = world().await;
    for (path, expected) in [
        // Without a place: neither trash nor junk nor what is put off.
        ("/emails", &[9, 8, 7, 3, 2, 1][..]),
        ("/emails?sort=date", &[1, 2, 3, 7, 8, 9]),
        ("/emails/unread", &[8, 7, 3, 1]),
        ("/emails/snoozed", &[6]),
        ("/emails/trash", &[4]),
        ("/emails?folder=inbox", &[7, 6, 2, 1]),
        ("/emails?folder=archive", &[3]),
        ("/emails?folder=trash", &[4]),
        ("/emails?folder=junk", &[5]),
        ("/emails?folder=sent", &[9]),
        ("/emails?folder=other", &[8]),
        ("/emails?folder=drafts", &[]),
        ("/emails?is_read=true", &[9, 2]),
        ("/emails?is_read=false", &[8, 7, 3, 1]),
        ("/emails?is_read=false&folder=inbox", &[7, 6, 1]),
        ("/emails?is_read=false&folder=trash", &[4]),
        ("/emails/unread?is_read=true", &[]),
        ("/emails/unread?folder=junk", &[5]),
        ("/emails?is_starred=true", &[3]),
        ("/emails?is_starred=false", &[9, 8, 7, 2, 1]),
        ("/emails?is_archived=true", &[3]),
        ("/emails?is_archived=false&is_read=true", &[9, 2]),
        ("/emails?has_attachments=true", &[8]),
        ("/emails?has_attachments=false&folder=inbox", &[7, 6, 2, 1]),
        ("/emails?label=work", &[8, 3]),
        ("/emails?label=work&sort=date", &[3, 8]),
        ("/emails?label=work&folder=trash", &[4]),
        ("/emails?label=work&is_starred=true", &[3]),
        ("/emails?label=nobody", &[]),
        ("/emails?language=de", &[8]),
        ("/emails?from=bob", &[8, 7, 3, 2, 1]),
        ("/emails?from=bob%40example.org", &[8, 7, 3, 2, 1]),
        ("/emails?from=Ada", &[9]),
        ("/emails?from=builder+bob&is_read=true", &[2]),
        ("/emails?to=carol.danvers%40mail.example", &[9]),
        ("/emails?to=danvers", &[9]),
        ("/emails?to=bob", &[]),
        ("/emails?after=2026-11-01T20:00:00Z", &[9, 8]),
        ("/emails?before=2026-11-01T14:00:00Z", &[1]),
        ("/emails?after=2026-11-01T14:00:00Z&before=2026-11-01T15:00:00Z", &[2]),
        // A day begins in Berlin an hour before it does in UTC; all were written on the first.
        ("/emails?after=2026-11-01&before=2026-11-02", &[9, 8, 7, 3, 2, 1]),
        ("/emails?after=2026-11-02", &[]),
        ("/emails?before=2026-11-01", &[]),
        ("/emails/snoozed?sort=-date", &[6]),
        ("/emails/snoozed?folder=sent", &[]),
        ("/emails/trash?label=work", &[4]),
    ] {
        assert_lists(&world, path, expected).await;
    }
    assert_lists(&world, &format!("/emails?folder={INBOX}"), &[7, 6, 5, 2, 1]).await;
    assert_lists(&world, &format!("/emails?folder={PROJECTS}"), &[8]).await;
    assert_lists(&world, &format!("/emails?folder={}", Uuid::nil()), &[]).await;
    assert_lists(&world, &format!("/emails?thread={}", email_id(2)), &[2]).await;
    assert_lists(&world, &format!("/emails?thread={}", Uuid::nil()), &[]).await;
    assert!(world.get(BOB, "/emails?folder=inbox").await.ids().is_empty());
    assert!(world.get(BOB, &format!("/emails?folder={INBOX}")).await.ids().is_empty());
    assert!(world.get(BOB, &format!("/emails?thread={}", email_id(2))).await.ids().is_empty());
    assert!(world.get(BOB, "/emails?label=work").await.ids().is_empty());
    assert!(world.get(BOB, "/emails?from=bob").await.ids().is_empty());
}

#[tokio::test]
async fn a_day_begins_in_the_zone_of_the_user() {
    let world = World::new().await.with_mailbox().await;
    // An hour before midnight in UTC, which is midnight in Berlin.
    world.mail(1, |mail| mail.date = at("2026-11-21T22:59:59Z")).await;
    world.mail(2, |mail| mail.date = at("2026-11-21T23:00:00Z")).await;
    assert_lists(&world, "/emails?after=2026-11-22", &[2]).await;
    assert_lists(&world, "/emails?before=2026-11-22", &[1]).await;
    assert_lists(&world, "/emails?q=after:2026-11-22", &[2]).await;
    assert_lists(&world, "/emails?q=before:2026-11-22", &[1]).await;
}

#[tokio::test]
async fn what_was_put_off_is_back_when_its_time_has_come() {
    let world = world().await;
    world.clock.set(at("2026-11-23T08:00:00Z"));
    assert_lists(&world, "/emails", &[9, 8, 7, 6, 3, 2, 1]).await;
    assert_lists(&world, "/emails/snoozed", &[]).await;
}

async fn walk(world: &World, path: &str, limit: usize) -> Vec<Uuid> {
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(ADA, &format!("{path}&limit={limit}{cursor}")).await;
        walked.extend(page.ids());
        let page = page.json();
        assert_eq!(page["has_more"], Value::Bool(page["next_cursor"].is_string()));
        let Some(next) = page["next_cursor"].as_str() else { return walked };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn pages_of_every_list_add_up_to_the_whole_in_its_order() {
    let world = World::new().await.with_mailbox().await;
    for n in 1..=12 {
        world
            .mail(n, |mail| {
                // Several were written at the same time.
                mail.date =
                    at("2026-11-01T00:00:00.123456Z") + chrono::TimeDelta::minutes(i64::try_from(n / 3).unwrap());
                mail.labels = vec!["work".to_owned()];
                mail.text = "milk ".repeat(1 + usize::try_from(n % 4).unwrap());
            })
            .await;
        world.on_mail(n, 2, Snoozed { until: Some(at("2026-11-22T20:00:00Z")) }).await;
    }
    for path in [
        "/emails?sort=-date",
        "/emails?sort=date",
        "/emails?label=work",
        "/emails?label=work&sort=date",
        "/emails?folder=inbox",
        "/emails?is_read=false",
        "/emails/unread?sort=date",
        "/emails?q=milk",
        "/emails?q=milk&sort=date",
        "/emails?q=milk&sort=-date&label=work",
        "/emails?q=-bread",
        "/emails?q=is:unread",
        "/emails?q=in:anywhere&sort=relevance",
        "/emails?from=bob",
        "/emails/search?q=milk",
    ] {
        let whole =
            world.get(ADA, &format!("{path}{}limit=200", if path.contains('?') { '&' } else { '?' })).await.ids();
        assert_eq!(whole.len(), 12, "{path}");
        for limit in [1, 5] {
            assert_eq!(walk(&world, path, limit).await, whole, "{path} by {limit}");
        }
    }
    for n in 1..=12 {
        let until = at("2026-12-01T00:00:00Z") + chrono::TimeDelta::days(i64::try_from(n % 4).unwrap());
        world.on_mail(n, 3, Snoozed { until: Some(until) }).await;
    }
    let whole = walk(&world, "/emails/snoozed?sort=snoozed_until", 200).await;
    assert_eq!(whole, ids(&[4, 8, 12, 1, 5, 9, 2, 6, 10, 3, 7, 11]));
    for limit in [1, 5] {
        assert_eq!(walk(&world, "/emails/snoozed?sort=snoozed_until", limit).await, whole);
        let backwards: Vec<_> = whole.iter().rev().copied().collect();
        assert_eq!(walk(&world, "/emails/snoozed?sort=-snoozed_until", limit).await, backwards);
        assert_eq!(walk(&world, "/emails/snoozed?q=milk&sort=snoozed_until", limit).await, whole);
    }
}

#[tokio::test]
async fn all_pages_are_counted_if_that_is_asked_for() {
    let world = world().await;
    for (path, expected) in [
        ("/emails?include=total&limit=1", 6),
        ("/emails?include=total&limit=1&label=work", 2),
        ("/emails?include=total&limit=1&q=agreed", 6),
        ("/emails?include=total&limit=1&q=agreed&folder=trash", 1),
        ("/emails/snoozed?include=total", 1),
        ("/emails/search?include=total&q=nothing", 0),
    ] {
        assert_eq!(world.get(ADA, path).await.ok()["total"], json!(expected), "{path}");
    }
    assert!(world.get(ADA, "/emails").await.ok().get("total").is_none());
}

#[tokio::test]
async fn a_cursor_belongs_to_its_question() {
    let world = world().await;
    let cursor = world.get(ADA, "/emails?limit=1").await.ok()["next_cursor"].as_str().unwrap().to_owned();
    for path in ["/emails/unread", "/emails?sort=date", "/emails?folder=inbox", "/emails?q=agreed"] {
        let path = format!("{path}{}cursor={}", if path.contains('?') { '&' } else { '?' }, encode(&cursor));
        let reply = world.get(ADA, &path).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (400, Some("cursor_mismatch")), "{path}");
    }
}
