//! A mailbox from the file to the trash, over real HTTP; and an import while the broker is away.

use orbit_testing::{eventually, own_servers};
use serde_json::{Value, json};

use crate::world::{SOON, Session, World};

/// Messages of an old mailbox: two that belong together, one in another language, one that was read.
const MAILBOX: &str = "\
From ada@example.org Mon Nov 23 09:00:00 2026
Message-ID: <plan@example.org>
From: Ada <ada@example.org>
To: bob@example.org
Date: Mon, 23 Nov 2026 09:00:00 +0000
Subject: The harbour
Status: RO

Shall we meet at the lighthouse?

From bob@example.org Mon Nov 23 10:00:00 2026
Message-ID: <answer@example.org>
In-Reply-To: <plan@example.org>
References: <plan@example.org>
From: Bob <bob@example.org>
To: ada@example.org
Date: Mon, 23 Nov 2026 10:00:00 +0000
Subject: Re: The harbour

At noon, by the lighthouse.

From carla@example.org Mon Nov 23 11:00:00 2026
Message-ID: <other@example.org>
From: Carla <carla@example.org>
To: ada@example.org
Date: Mon, 23 Nov 2026 11:00:00 +0000
Subject: Rechnung

Anbei die Rechnung.

";

fn field(page: &Value, name: &str) -> Vec<Value> {
    page["data"].as_array().unwrap().iter().map(|row| row[name].clone()).collect()
}

async fn list(world: &World, of: &Session, query: &str) -> Value {
    world.get(&format!("/emails{query}")).by(of).send().await.expect(200).json()
}

/// Waits until as many e-mails are in a list.
async fn listed(world: &World, of: &Session, query: &str, count: usize) -> Value {
    eventually(SOON, || async {
        let page = list(world, of, query).await;
        if page["data"].as_array().unwrap().len() == count { Ok(page) } else { Err(page) }
    })
    .await
}

#[tokio::test]
async fn a_mailbox_that_is_brought_is_listed_found_read_and_thrown_away() {
    let world = World::new().await;
    let (ada, other) = (world.register("ada").await, world.register("other").await);
    let done = world.bring(&ada, "?name=old.mbox", MAILBOX).await;
    assert_eq!((&done["messages"], &done["created"], &done["progress"]), (&json!(3), &json!(3), &json!(100)), "{done}");
    let page = listed(&world, &ada, "?folder=inbox", 3).await;
    assert_eq!(field(&page, "subject"), ["Rechnung", "Re: The harbour", "The harbour"]);
    assert_eq!(field(&page, "is_read"), [false, false, true]);
    let threads = field(&page, "thread_id");
    assert!(threads[1] == threads[2] && threads[0] != threads[1], "{threads:?}");
    assert!(list(&world, &other, "").await["data"].as_array().unwrap().is_empty());

    let found = world.get("/emails/search?q=lighthouse").by(&ada).send().await.expect(200).json();
    assert_eq!(found["data"].as_array().unwrap().len(), 2, "{found}");
    let id = page["data"][1]["id"].as_str().unwrap().to_owned();
    let path = format!("/emails/{id}");
    let raw = world.get(&format!("{path}/raw")).by(&ada).send().await.expect(200);
    assert!(raw.body.starts_with("Message-ID: <answer@example.org>"), "{}", raw.body);
    world.get(&format!("{path}/raw")).by(&other).send().await.expect(404);
    let read = world.post(&format!("{path}/read")).by(&ada).send().await.expect(200);
    let one = world.get(&path).by(&ada).after(read.position()).send().await.expect(200).json();
    assert_eq!((&one["is_read"], &one["subject"]), (&json!(true), &json!("Re: The harbour")));

    world.post(&format!("{path}/trash")).by(&ada).send().await.expect(200);
    listed(&world, &ada, "?folder=inbox", 2).await;
    assert_eq!(field(&listed(&world, &ada, "?folder=trash", 1).await, "id"), [json!(id)]);
    let deleted = world.call("DELETE", &path).by(&ada).send().await.expect(204);
    world.get(&path).by(&ada).after(deleted.position()).send().await.expect(404);

    // The same file again brings back what was deleted for good, and nothing twice.
    let again = world.bring(&ada, "", MAILBOX).await;
    assert_eq!((&again["created"], &again["known"]), (&json!(1), &json!(2)), "{again}");
    listed(&world, &ada, "", 3).await;
    world.caught_up().await;
    world.fold_into("fold").await;
    assert_eq!(world.dump("view").await, world.dump("fold").await, "a rebuild is what is served");
    world.stop().await;
}

#[tokio::test]
async fn a_mailbox_is_taken_in_while_the_broker_is_away() {
    let servers = own_servers().await;
    let world = World::on(servers.database().await, servers.nats().await).await;
    let ada = world.register("ada").await;
    servers.stop_nats().await.unwrap();
    let message = |n: usize| {
        format!(
            "From x@example.org Mon Nov 23 09:00:00 2026\nMessage-ID: <{n}@example.org>\nFrom: x@example.org\n\
             Date: Mon, 23 Nov 2026 09:00:00 +0000\nSubject: Number {n}\n\nWords.\n\n"
        )
    };
    let mailbox: String = (0..1_000).map(message).collect();
    let done = world.bring(&ada, "", &mailbox).await;
    assert_eq!(done["created"], json!(1_000), "{done}");
    listed(&world, &ada, "?limit=200", 200).await;
    servers.start_nats().await.unwrap();
    let folders = eventually(SOON, || async {
        let folders = world.get("/emails/folders").by(&ada).send().await.expect(200).json();
        let inbox = folders["data"].as_array().unwrap().iter().find(|folder| folder["role"] == "inbox").cloned();
        inbox.filter(|inbox| inbox["emails"] == 1_000)
    })
    .await;
    assert_eq!(folders["unread"], json!(1_000), "{folders}");
    world.relayed().await;
    world.stop().await;
}
