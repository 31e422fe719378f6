//! What is written over HTTP comes over a stream, is in the history, and tells what it changed: on the whole stack.

use serde_json::{Value, json};

use crate::world::{Session, Told, World};

/// A task is created, renamed and completed; gives its id and the positions of these writes.
async fn write(world: &World, ada: &Session) -> (String, [i64; 3]) {
    let created = world.post("/tasks").by(ada).json(&json!({"title": "Buy milk"})).send().await.expect(201);
    let path = format!("/tasks/{}", created.id());
    let renamed = world.call("PATCH", &path).by(ada).json(&json!({"title": "Buy oat milk"})).send().await.expect(200);
    let done = world.post(&format!("{path}/complete")).by(ada).json(&json!({})).send().await.expect(200);
    (path, [created.position(), renamed.position(), done.position()])
}

fn ids(told: &[Told]) -> Vec<i64> {
    told.iter().map(|one| one.id.unwrap()).collect()
}

/// The rows of a page in the order of the log.
async fn rows(world: &World, of: &Session, path: &str) -> Vec<Value> {
    world.get(path).by(of).send().await.expect(200).json()["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_is_written_is_streamed_and_told_with_what_it_changed() {
    let world = World::new().await;
    let (ada, bob) = (world.register("ada").await, world.register("bob").await);
    let mut stream = world.get("/events/stream").by(&ada).follow().await;
    let begun = stream.next().await.unwrap();
    assert_eq!((begun.event.as_str(), begun.id), ("position", Some(world.head().await)));

    world.post("/tasks").by(&bob).json(&json!({"title": "Sell milk"})).send().await.expect(201);
    let (path, positions) = write(&world, &ada).await;
    let streamed = stream.facts(3).await;
    assert_eq!(ids(&streamed), positions);
    // The log is read: no read model has to have got there.
    let listed = rows(&world, &ada, &format!("/history?sort=position&position[gte]={}", positions[0])).await;
    assert_eq!(streamed.iter().map(|told| told.data.clone()).collect::<Vec<_>>(), listed);

    let entries = rows(&world, &ada, &format!("{path}/history?sort=version")).await;
    for (entry, fact) in entries.iter().zip(&listed) {
        for (field, value) in fact.as_object().unwrap() {
            assert_eq!(&entry[field], value, "{field}");
        }
        assert_eq!(entry["cause"]["session_id"], json!(ada.login()));
    }
    assert_eq!(entries[1]["changes"], json!([{"field": "title", "before": "Buy milk", "after": "Buy oat milk"}]));
    let change = |entry: &Value, field: &str| {
        let found = entry["changes"].as_array().unwrap().iter().find(|change| change["field"] == field);
        found.map(|change| (change["before"].clone(), change["after"].clone()))
    };
    assert_eq!(change(&entries[2], "status"), Some((json!("open"), json!("done"))));
    // What the history says came out is what there is.
    let task = world.get(&path).by(&ada).after(positions[2]).send().await.expect(200);
    assert_eq!(change(&entries[2], "completed_at").unwrap().1, task.json()["completed_at"]);
    assert_eq!(task.header("etag"), Some(format!("\"{}\"", entries[2]["entity_version"]).as_str()));
    for (field, value) in task.json().as_object().unwrap() {
        let last = entries.iter().filter_map(|entry| change(entry, field)).next_back();
        assert!(last.is_none_or(|(_, after)| after == *value), "{field}: {value}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_stream_goes_on_after_the_server_was_killed_with_nothing_left_out_and_nothing_twice() {
    let mut world = World::new().await;
    let ada = world.register("ada").await;
    let mut stream = world.get("/events/stream?from=0&category=tasks").by(&ada).follow().await;
    let (_, first) = write(&world, &ada).await;
    let told = stream.facts(2).await;
    assert_eq!(ids(&told), first[..2]);
    world.crash_front().await;
    while stream.next().await.is_some() {}

    let (_, second) = write(&world, &ada).await;
    // The same address as before: what was seen last outweighs where it began.
    let again = world.get("/events/stream?from=0&category=tasks").by(&ada);
    let mut stream = again.header("last-event-id", &first[1].to_string()).follow().await;
    let told = stream.facts(4).await;
    assert_eq!(ids(&told), [&first[2..], &second].concat());
    // In order this time: the server says so before it ends.
    let ((), closed) = tokio::join!(world.stop(), stream.next());
    assert_eq!(closed.unwrap().data, json!({"code": "shutting_down"}));
}
