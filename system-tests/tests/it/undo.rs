//! Undo on the whole stack: what an activity names is taken back, and every view shows it as if it had not been.

use serde_json::{Value, json};

use crate::world::{Answer, Session, World};

async fn read(world: &World, who: &Session, path: &str, after: &Answer) -> Value {
    world.get(path).by(who).after(after.position()).send().await.expect(200).json()
}

#[tokio::test]
async fn what_an_activity_names_is_taken_back_in_every_view() {
    let world = World::new().await;
    let ada = world.register("ada").await;
    let list = world.post("/task-lists").by(&ada).json(&json!({"name": "Move house"})).send().await.expect(201);
    let body = json!({"title": "Pack", "list_id": list.id()});
    let task = world.post("/tasks").by(&ada).json(&body).send().await.expect(201);
    let path = format!("/tasks/{}", task.id());
    let before = read(&world, &ada, &path, &task).await;

    let deleted = world.call("DELETE", &path).by(&ada).send().await.expect(204);
    let removed = world.call("DELETE", &format!("/task-lists/{}", list.id())).by(&ada).send().await.expect(204);
    let lists = read(&world, &ada, "/task-lists", &removed).await.to_string();
    assert!(!lists.contains("Move house"), "{lists}");

    // The newest activity is the list's removal; the one before it the task's deletion.
    let activities = read(&world, &ada, "/activities", &removed).await;
    let newest = &activities["data"][0];
    assert_eq!(newest["description"], "Removed list “Move house”");
    let undo = |body: Value| world.post("/history/undo").by(&ada).json(&body).send();
    let request = json!({"correlation_id": deleted.header("x-request-id").unwrap()});
    let refused = undo(request.clone()).await.refused(409, "undo_conflict").json();
    assert_eq!(refused["errors"][0]["expected"], json!(list.id()), "its list is not there: {refused}");

    let list_back = undo(json!({"event_id": newest["id"]})).await.expect(200);
    let lists = read(&world, &ada, "/task-lists", &list_back).await.to_string();
    assert!(lists.contains("Move house"), "{lists}");
    let task_back = undo(request).await.expect(200);
    let after = read(&world, &ada, &path, &task_back).await;
    for field in ["title", "list_id", "position", "status", "labels", "deleted_at", "created_at"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    let activities = read(&world, &ada, "/activities", &task_back).await;
    assert_eq!(activities["data"][0]["description"], "Restored task “Pack”");
    assert_eq!(activities["data"][1]["description"], "Restored list “Move house”");
    assert_eq!(activities["data"][1]["causation_id"], newest["id"], "{activities}");
    world.stop().await;
}
