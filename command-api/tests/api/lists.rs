//! Lists and labels: names are unique, lists have an order, the last list stays.

use serde_json::{Value, json};

use crate::common::{Api, id, nobody, titled};

#[tokio::test]
async fn names_of_lists_are_unique_without_regard_to_case() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let send = |name: &str| api.post("/task-lists").by(&ada).json(&json!({ "name": name, "color": "#1E90FF" })).send();
    let list = send(" Errands ").await.expect(201).body;
    assert_eq!((&list["name"], &list["color"]), (&json!("Errands"), &json!("#1e90ff")));
    send("ERRANDS").await.refused(409, "list_name_taken").names(&[("/name", "list_name_taken")]);
    send("backlog").await.refused(409, "list_name_taken");
    let path = format!("/task-lists/{}", id(&list));
    let rename = |body: Value| api.patch(&path).by(&ada).json(&body).send();
    rename(json!({"name": "Today"})).await.refused(409, "list_name_taken");
    let renamed = rename(json!({"name": "errands", "color": null})).await.expect(200);
    assert_eq!((&renamed.body["name"], &renamed.body["color"]), (&json!("errands"), &json!(null)));
    // A name that was given up is free again, also for somebody who was refused it a moment ago.
    rename(json!({"name": "Shopping"})).await.expect(200);
    send("Errands").await.expect(201);
    let bob = api.register("bob@example.org").await;
    api.post("/task-lists").by(&bob).json(&json!({"name": "Errands"})).send().await.expect(201);
    api.stop().await;
}

#[tokio::test]
async fn tasks_without_a_list_go_to_the_list_that_comes_first_now() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let backlog = api.task(&ada, titled("x")).await["list_id"].clone();
    let list =
        api.post("/task-lists").by(&ada).json(&json!({"name": "Inbox", "before_id": backlog})).send().await.expect(201);
    assert_eq!(api.task(&ada, titled("y")).await["list_id"], id(&list.body));
    let path = format!("/task-lists/{}/move", id(&list.body));
    let moved = api.post(&path).by(&ada).json(&json!({ "after_id": backlog })).send().await.expect(200);
    assert!(moved.body["position"].as_str() > list.body["position"].as_str());
    assert_eq!(api.task(&ada, titled("z")).await["list_id"], backlog);
    api.post(&path).by(&ada).json(&json!({})).send().await.refused(400, "invalid_request").names(&[("", "empty")]);
    let odd = api.post(&path).by(&ada).json(&json!({"after_id": nobody()})).send().await;
    odd.refused(422, "unknown_list").names(&[("/after_id", "unknown_list")]);
    let own = api.post(&path).by(&ada).json(&json!({"after_id": id(&list.body)})).send().await;
    own.refused(422, "own_neighbour");
    api.stop().await;
}

#[tokio::test]
async fn a_list_with_tasks_and_the_last_list_stay() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("x")).await;
    let path = format!("/task-lists/{}", task["list_id"].as_str().unwrap());
    api.delete(&path).by(&ada).send().await.refused(409, "list_not_empty");
    api.delete(&format!("/tasks/{}", id(&task))).by(&ada).send().await.expect(204);
    api.delete(&path).by(&ada).send().await.expect(204);
    api.delete(&path).by(&ada).send().await.expect(204);
    api.patch(&path).by(&ada).json(&json!({"name": "x"})).send().await.refused(410, "list_removed");
    for _ in 0..2 {
        let next = api.task(&ada, titled("x")).await;
        let list = next["list_id"].as_str().unwrap().to_owned();
        api.delete(&format!("/tasks/{}", id(&next))).by(&ada).send().await.expect(204);
        api.delete(&format!("/task-lists/{list}")).by(&ada).send().await.expect(204);
    }
    let last = api.task(&ada, titled("x")).await;
    api.delete(&format!("/tasks/{}", id(&last))).by(&ada).send().await.expect(204);
    let path = format!("/task-lists/{}", last["list_id"].as_str().unwrap());
    api.delete(&path).by(&ada).send().await.refused(409, "last_list");
    api.stop().await;
}

#[tokio::test]
async fn labels_are_made_changed_and_removed() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let made =
        api.post("/labels").by(&ada).json(&json!({"name": "urgent", "color": "#d62728"})).send().await.expect(201);
    let path = format!("/labels/{}", id(&made.body));
    assert_eq!(made.text("location"), format!("/api/v1{path}"));
    api.post("/labels").by(&ada).json(&json!({"name": "URGENT"})).send().await.refused(409, "label_name_taken");
    let edited = api.patch(&path).by(&ada).json(&json!({"name": "now", "color": null})).send().await.expect(200);
    assert_eq!((&edited.body["name"], &edited.body["version"]), (&json!("now"), &json!(3)));
    let odd = api.patch(&path).by(&ada).json(&json!({"name": "", "color": "red"})).send().await;
    odd.refused(422, "validation_failed").names(&[("/name", "empty"), ("/color", "invalid_color")]);
    api.delete(&path).by(&ada).send().await.expect(204);
    api.patch(&path).by(&ada).json(&json!({"name": "x"})).send().await.refused(410, "label_removed");
    api.post("/labels").by(&ada).json(&json!({"name": "now"})).send().await.expect(201);
    api.stop().await;
}
