//! Searches of e-mails: every operator, how what was found is ordered and shown.

use orbit_events::emails::{
    Encoding, Part, Role,
    email::{Archived, Read, Snoozed, Starred, Trashed},
};
use serde_json::{Value, json};

use crate::{
    mail::{PROJECTS, address, ids, place},
    world::{ADA, BOB, World, at, encode},
};

async fn world() -> World {
    let world = World::new().await.with_mailbox().await;
    world
        .mail(1, |mail| {
            mail.subject = Some("Lunch next week".to_owned());
            "Shall we have lunch? I am hungry. Carrots and soups would be fine.".clone_into(&mut mail.text);
        })
        .await;
    world
        .mail(2, |mail| {
            mail.subject = Some("Invoice 4711".to_owned());
            mail.from = Some(address("billing@shop.example", "The Shop"));
            "Please pay the invoice for the lunch of last week.".clone_into(&mut mail.text);
            mail.parts = vec![Part {
                path: "2".to_owned(),
                filename: Some("invoice.pdf".to_owned()),
                content_type: "application/pdf".to_owned(),
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
    world.on_mail(2, 2, Read {}).await;
    world
        .mail(3, |mail| {
            mail.subject = Some("Die Häuser in Köln".to_owned());
            "Wir haben uns drei Häuser angesehen und eine Wohnung.".clone_into(&mut mail.text);
            mail.language = Some("de".to_owned());
            mail.to = vec![address("carol@mail.example", "Carol Danvers")];
            mail.labels = vec!["moving house".to_owned(), "home".to_owned()];
            mail.place = place(PROJECTS, Role::Other);
        })
        .await;
    world.on_mail(3, 2, Starred {}).await;
    world.mail(4, |mail| mail.subject = Some("Lunch is archived".to_owned())).await;
    world.on_mail(4, 2, Archived {}).await;
    world.mail(5, |mail| mail.subject = Some("Lunch is trashed".to_owned())).await;
    world.on_mail(5, 2, Trashed { trashed_at: at("2026-11-22T10:00:00Z") }).await;
    world.mail(6, |mail| mail.subject = Some("Lunch later".to_owned())).await;
    world.on_mail(6, 2, Snoozed { until: Some(at("2026-12-01T10:00:00Z")) }).await;
    world
}

async fn found(world: &World, words: &str) -> Vec<uuid::Uuid> {
    let mut found = world.get(ADA, &format!("/emails?limit=200&q={}", encode(words))).await.ids();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn every_operator_does_what_it_says() {
    let world = world().await;
    for (words, expected) in [
        ("lunch", &[1, 2, 4][..]),
        ("LUNCH week", &[1, 2]),
        ("lun", &[1, 2, 4]),
        ("lunches", &[1, 2, 4]),
        ("carrot", &[1]),
        ("haus", &[3]),
        ("koln", &[3]),
        ("köln", &[3]),
        ("\"next week\"", &[1]),
        ("\"week next\"", &[]),
        ("lunch -invoice", &[1, 4]),
        ("-lunch", &[3]),
        ("invoice OR carrots", &[1, 2]),
        ("subject:lunch", &[1, 4]),
        ("subject:\"lunch next\"", &[1]),
        ("from:billing", &[2]),
        ("from:billing@shop.example lunch", &[2]),
        ("from:bob", &[1, 3, 4]),
        ("to:carol", &[3]),
        ("to:danvers", &[3]),
        ("from:carol", &[]),
        ("-from:bob", &[2]),
        ("has:attachment", &[2]),
        ("-has:attachment", &[1, 3, 4]),
        ("in:inbox", &[1, 2, 6]),
        ("in:archive", &[4]),
        ("in:trash", &[5]),
        ("in:junk", &[]),
        ("in:anywhere lunch", &[1, 2, 4, 5, 6]),
        ("in:\"projects\"", &[3]),
        ("in:Work/Projects", &[3]),
        ("in:\"no such folder\"", &[]),
        ("is:read", &[2]),
        ("is:unread", &[1, 3, 4]),
        ("-is:read", &[1, 3, 4]),
        ("is:starred", &[3]),
        ("is:snoozed", &[6]),
        ("-is:snoozed lunch", &[1, 2, 4]),
        ("label:home", &[3]),
        ("label:\"moving house\" label:home", &[3]),
        ("label:home label:work", &[]),
        ("before:2026-11-01", &[]),
        ("after:2026-11-01 lunch", &[1, 2, 4]),
        ("re: lunch", &[]),
        ("4711", &[2]),
        ("!!!", &[]),
        ("the", &[]),
        ("'; DROP TABLE emails; --", &[]),
        ("lunch & | ! ( ) <-> \\ ' :*", &[1, 2, 4]),
    ] {
        assert_eq!(found(&world, words).await, ids(expected), "{words}");
    }
}

#[tokio::test]
async fn nobody_finds_what_is_another_users() {
    let world = world().await;
    for path in ["/emails?q=lunch", "/emails/search?q=lunch", "/emails?q=in:anywhere", "/emails?q=-nothing"] {
        assert!(world.get(BOB, path).await.ids().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn filters_and_words_hold_together() {
    let world = world().await;
    for (parameters, expected) in [
        ("q=lunch&is_read=true", &[2][..]),
        ("q=lunch&folder=trash", &[5]),
        ("q=lunch&folder=inbox", &[6, 2, 1]),
        ("q=lunch&from=billing", &[2]),
        ("q=lunch+in:anywhere&folder=archive", &[4]),
        ("q=is:read&is_read=false", &[]),
        ("q=lunch&label=home", &[]),
        ("q=h%C3%A4user&label=home", &[3]),
    ] {
        let path = format!("/emails?sort=-date&{parameters}");
        assert_eq!(world.get(ADA, &path).await.ids(), ids(expected), "{path}");
    }
}

/// Pieces as a text, hits in brackets.
fn shown(pieces: &Value) -> String {
    let piece = |piece: &Value| {
        let text = piece["text"].as_str().unwrap();
        if piece["hit"] == json!(true) { format!("[{text}]") } else { text.to_owned() }
    };
    pieces.as_array().unwrap().iter().map(piece).collect()
}

#[tokio::test]
async fn what_fits_best_comes_first_and_shows_where_the_words_stand() {
    let world = world().await;
    let page = world.get(ADA, "/emails/search?q=lunch+week").await.ok();
    let hits = page["data"].as_array().unwrap();
    // In the subject a word weighs more than in the text.
    assert_eq!(
        hits.iter().map(|hit| hit["subject"].as_str().unwrap()).collect::<Vec<_>>(),
        ["Lunch next week", "Invoice 4711"]
    );
    assert!(hits[0]["rank"].as_f64() > hits[1]["rank"].as_f64(), "{page}");
    assert_eq!(shown(&hits[0]["highlights"]["subject"]), "[Lunch] next [week]");
    assert_eq!(
        shown(&hits[0]["highlights"]["body"]),
        "Shall we have [lunch]? I am hungry. Carrots and soups would be fine."
    );
    assert_eq!(shown(&hits[1]["highlights"]["subject"]), "");
    assert_eq!(shown(&hits[1]["highlights"]["body"]), "Please pay the invoice for the [lunch] of last [week].");
    let plain = world.get(ADA, "/emails?q=h%C3%A4user").await.ok();
    assert_eq!(shown(&plain["data"][0]["highlights"]["subject"]), "Die [Häuser] in Köln");
    assert!(plain["data"][0].get("rank").is_none());
    let without = world.get(ADA, "/emails").await.ok();
    assert!(without["data"][0].get("highlights").is_none());
    let by_date = world.get(ADA, "/emails/search?q=lunch&sort=-date").await.ok();
    assert!(by_date["data"].as_array().unwrap().iter().all(|hit| hit["rank"] == json!(0.0)), "{by_date}");
}

#[tokio::test]
async fn what_is_shown_of_a_text_is_text_whatever_it_holds() {
    let world = World::new().await.with_mailbox().await;
    let hostile = "<script>alert('milk')</script> \u{2}milk\u{3} & <b>milk</b>";
    world.mail(1, |mail| mail.text = hostile.to_owned()).await;
    let page = world.get(ADA, "/emails/search?q=milk").await.ok();
    let body = shown(&page["data"][0]["highlights"]["body"]);
    assert_eq!(body, "<script>alert('[milk]')</script> [milk] & <b>[milk]</b>");
}

#[tokio::test]
async fn what_is_found_of_long_texts_is_cut_out() {
    let world = World::new().await.with_mailbox().await;
    let text = format!("{}needle {}", "hay ".repeat(2_000), "straw ".repeat(2_000));
    world.mail(1, |mail| mail.text = text).await;
    let page = world.get(ADA, "/emails/search?q=needle").await.ok();
    let body = shown(&page["data"][0]["highlights"]["body"]);
    assert!(body.contains("[needle]") && body.starts_with('…') && body.ends_with('…'), "{body}");
    assert!(body.chars().count() < 200, "{body}");
}

#[tokio::test]
async fn searches_that_cannot_be_read_are_refused_by_name() {
    let world = world().await;
    for (words, status, code) in [
        ("is:blue", 400, "invalid_search"),
        ("before:yesterday", 400, "invalid_search"),
        ("has:wings", 400, "invalid_search"),
        ("-in:inbox", 400, "invalid_search"),
        ("in:inbox in:trash", 400, "invalid_search"),
        (&"a ".repeat(33), 400, "invalid_search"),
        ("a\u{7}b", 400, "invalid_search"),
    ] {
        for path in ["/emails", "/emails/search", "/emails/trash"] {
            let reply = world.get(ADA, &format!("{path}?q={}", encode(words))).await;
            assert_eq!(reply.status, status, "{words}: {}", reply.text);
            let fault = &reply.json()["errors"][0];
            assert_eq!((&fault["pointer"], &fault["code"]), (&json!("?q"), &json!(code)), "{words}");
        }
    }
}

/// Everything that a list shows, page by page.
async fn all_pages(world: &World, path: &str) -> Vec<uuid::Uuid> {
    let (mut all, mut next) = (vec![], String::new());
    loop {
        let reply = world.get(ADA, &format!("{path}{next}")).await;
        all.extend(reply.ids());
        match reply.json()["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn whatever_is_in_few_or_in_many_is_found_once_and_in_order() {
    const COUNT: u128 = 320;
    let world = World::new().await.with_mailbox().await;
    for n in 1..=COUNT {
        world
            .mail(n, |mail| {
                mail.text = "All of it is about soup.".to_owned();
                if n % 3 == 0 {
                    mail.subject = Some("Soup of the day".to_owned());
                }
                if n % 40 == 0 {
                    mail.text.push_str(" Day of the soup, with dumplings.");
                }
            })
            .await;
    }
    for n in (5..=COUNT).step_by(5) {
        world.on_mail(n, 2, Read {}).await;
    }
    let expected = |is_it: &dyn Fn(u128) -> bool| {
        (1..=COUNT).rev().filter(|n| is_it(*n)).flat_map(|n| ids(&[n])).collect::<Vec<_>>()
    };
    // Of words in most e-mails, in some, in few; and of phrases: what stands the other way round is none.
    let cases: [(&str, &dyn Fn(u128) -> bool); 7] = [
        ("soup", &|_| true),
        ("soup is:unread", &|n| n % 5 != 0),
        ("subject:soup", &|n| n % 3 == 0),
        ("dumplings", &|n| n % 40 == 0),
        ("\"soup of the day\"", &|n| n % 3 == 0),
        ("\"day of the soup\"", &|n| n % 40 == 0),
        ("\"soup of day\"", &|_| false),
    ];
    for (words, is_it) in cases {
        let expected = expected(is_it);
        for limit in [7, 50, 200] {
            let path = format!("/emails?limit={limit}&q={}", encode(words));
            assert_eq!(all_pages(&world, &format!("{path}&sort=-date")).await, expected, "{words}, {limit}");
            let mut ranked = all_pages(&world, &path).await;
            // A hundred at a time, or a page, the best come first.
            for (window, newest) in ranked.chunks_mut(limit.max(100)).zip(expected.chunks(limit.max(100))) {
                window.sort_unstable_by(|a, b| b.cmp(a));
                assert_eq!(window, newest, "{words}, {limit}");
            }
            let total = world.get(ADA, &format!("{path}&include=total")).await.ok()["total"].clone();
            assert_eq!(total, json!(expected.len()), "{words}");
        }
    }
    let best = world.get(ADA, "/emails/search?limit=10&q=soup").await.ok();
    assert!(best["data"].as_array().unwrap().iter().all(|hit| hit["subject"] == json!("Soup of the day")), "{best}");
}

/// Of phrases whose words are in all e-mails it is looked from the newest on; if that was through all of them, it is known
/// that there is no more.
#[tokio::test]
async fn a_phrase_that_few_have_is_found_in_all_of_a_mailbox_whose_every_e_mail_has_its_words() {
    const COUNT: u128 = 900;
    let world = World::new().await.with_mailbox().await;
    for n in 1..=COUNT {
        let text = if n % 300 == 1 { "Day of the soup." } else { "Soup, on any day." };
        world.mail(n, |mail| mail.text = text.to_owned()).await;
    }
    for (words, expected) in
        [("\"day of the soup\"", &[601, 301, 1][..]), ("\"soup day\"", &[]), ("\"day of the soup\" -soup", &[])]
    {
        for sort in ["", "&sort=-date"] {
            let path = format!("/emails?q={}{sort}&include=total", encode(words));
            let page = world.get(ADA, &path).await;
            assert_eq!(page.ids(), ids(expected), "{words}{sort}");
            assert_eq!(page.json()["total"], json!(expected.len()), "{words}{sort}");
        }
    }
}
