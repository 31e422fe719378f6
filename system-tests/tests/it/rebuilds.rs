//! Rebuilds asked for over HTTP, while people write and read.

use std::time::Duration;

use orbit_testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Session, World};

#[tokio::test]
async fn a_rebuild_is_asked_for_followed_and_noticed_by_nobody() {
    let world = World::new().await;
    let ada = world.register("ada").await;
    let before: Vec<Uuid> = write(&world, &ada, 0..20).await;
    let path = "/admin/projections/tasks/rebuild";
    let ask = || world.post(path).by(&ada).header("idempotency-key", "once").json(&json!({"verify": true})).send();
    let asked = ask().await.expect(202);
    assert_eq!(ask().await.expect(202).id(), asked.id(), "asked again with the same key, it is the same rebuild");
    assert_eq!(asked.header("location"), Some(format!("/api/v1/admin/rebuilds/{}", asked.id()).as_str()));
    let follow = format!("/admin/rebuilds/{}", asked.id());
    let state = async || world.get(&follow).by(&ada).send().await.expect(200).json();
    let during = write(&world, &ada, 20..40).await;
    eventually(Duration::from_mins(1), || async {
        // Nobody fails, and nobody misses what was there.
        let page = world.get("/tasks?limit=200").by(&ada).send().await.expect(200);
        assert!(before.iter().all(|id| page.each("id").contains(&json!(id))), "a task was gone for a moment");
        !state().await["finished_at"].is_null()
    })
    .await;
    let done = state().await;
    assert_eq!((&done["state"], &done["differences"], &done["error"]), (&json!("complete"), &json!([]), &Value::Null));
    let after = write(&world, &ada, 40..41).await;
    let page = world.get("/tasks?limit=200").by(&ada).send().await.expect(200);
    assert_eq!(page.each("id").len(), before.len() + during.len() + after.len());
    let projections = world.get("/admin/projections").by(&ada).send().await.expect(200);
    assert_eq!(projections.each("name"), ["users", "tasks", "emails", "activities"]);
    assert_eq!(projections.each("parked"), [0, 0, 0, 0]);
    assert!(projections.each("size_bytes").iter().all(|size| size.as_i64().unwrap() > 0));
    let listed = world.get("/admin/rebuilds").by(&ada).send().await.expect(200);
    assert_eq!(listed.each("id"), [json!(asked.id())]);
    world.post(&format!("{follow}/cancel")).by(&ada).send().await.refused(409, "rebuild_ended");
    world.stop().await;
}

#[tokio::test]
async fn bad_wishes_are_refused_and_name_what_is_wrong() {
    let world = World::new().await;
    let ada = world.register("ada").await;
    world.post("/admin/projections/horoscopes/rebuild").by(&ada).send().await.refused(404, "not_found");
    let wrong = json!({"workers": 0, "verify": "yes", "color": "red"});
    let answer = world.post("/admin/projections/tasks/rebuild").by(&ada).json(&wrong).send().await.expect(400);
    let mut pointers: Vec<Value> =
        answer.json()["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    pointers.sort_by_key(Value::to_string);
    assert_eq!(pointers, ["/color", "/verify", "/workers"]);
    let nobody = Uuid::from_u128(7);
    world.get(&format!("/admin/rebuilds/{nobody}")).by(&ada).send().await.refused(404, "not_found");
    world.post(&format!("/admin/rebuilds/{nobody}/cancel")).by(&ada).send().await.refused(404, "not_found");
    world.get("/admin/projections?x=1").by(&ada).send().await.expect(400);
    world.get("/admin/projections").send().await.expect(401);
    let token = json!({"name": "narrow", "scopes": ["tasks:read"]});
    let token = world.post("/auth/tokens").by(&ada).json(&token).send().await.expect(201).json();
    let token = token["token"].as_str().unwrap().to_owned();
    world.get("/admin/projections").bearer(&token).send().await.refused(403, "missing_scope");
    let dry = world.post("/admin/projections/tasks/rebuild?dry_run=true").by(&ada).send().await;
    dry.expect(200);
    assert_eq!(world.get("/admin/rebuilds").by(&ada).send().await.expect(200).each("id").len(), 0);
    world.stop().await;
}

/// Writes tasks, and waits until the last can be read.
async fn write(world: &World, ada: &Session, numbers: std::ops::Range<u32>) -> Vec<Uuid> {
    let mut ids = Vec::new();
    let mut position = 0;
    for number in numbers {
        let created = world.post("/tasks").by(ada).json(&json!({"title": format!("task {number}")})).send().await;
        let created = created.expect(201);
        position = created.position();
        ids.push(created.id());
    }
    world.get("/tasks").by(ada).after(position).send().await.expect(200);
    ids
}
