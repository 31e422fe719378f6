//! Races: whatever comes at the same time, the rules hold as if it had come one after the other.

use std::{collections::HashSet, time::Duration};

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::common::{Api, Call, PASSWORD, Session, id, titled};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_registrations_with_one_address_one_wins() {
    let api = Api::ticking().await;
    let routers = [api.another().await, api.another().await];
    for round in 0..5 {
        let email = format!("ada{round}@example.org");
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada"});
        let calls = routers.iter().cycle().take(4);
        let calls = calls.map(|router| Call::new(router.clone(), Method::POST, "/auth/register").json(&body).send());
        let mut statuses: Vec<_> = join_all(calls).await.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409]);
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_requests_with_one_key_one_is_carried_out() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let before = api.facts().await;
    let other = api.another().await;
    let body = titled("Once");
    let calls = (0..16).map(|n| {
        let call = if n % 2 == 0 { api.post("/tasks") } else { Call::new(other.clone(), Method::POST, "/tasks") };
        call.by(&ada).key("k1").json(&body).send()
    });
    let answers = join_all(calls).await;
    let ids: HashSet<_> = answers.iter().map(|answer| id(&answer.body).to_owned()).collect();
    assert_eq!(ids.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(answers.iter().filter(|answer| answer.text("idempotent-replayed").is_empty()).count(), 1);
    assert_eq!(api.facts().await, before + 1);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tasks_that_are_nested_in_each_other_at_once_make_no_circle() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    for _ in 0..10 {
        let (one, two) = (api.task(&ada, titled("one")).await, api.task(&ada, titled("two")).await);
        let nest = |call: Call, parent: &Value| call.by(&ada).json(&json!({"parent_id": id(parent)})).send();
        let path = |task: &Value| format!("/tasks/{}", id(task));
        let (first, second) = tokio::join!(
            nest(api.patch(&path(&one)), &two),
            nest(Call::new(other.clone(), Method::PATCH, &path(&two)), &one),
        );
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422], "{} {}", first.body, second.body);
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_that_is_used_twice_at_once_is_good_for_one() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    let body = json!({"refresh_token": ada.refresh});
    let (one, two) = tokio::join!(
        api.post("/auth/refresh").json(&body).send(),
        Call::new(other, Method::POST, "/auth/refresh").json(&body).send(),
    );
    let mut answers = [one, two];
    answers.sort_by_key(|answer| answer.status);
    assert_eq!((answers[0].status, answers[1].code()), (200, "refresh_reuse_detected"));
    let next = Session::of(&answers[0]);
    api.post("/auth/refresh").json(&json!({"refresh_token": next.refresh})).send().await.refused(401, "logged_out");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_that_go_to_the_same_spot_all_find_a_place() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let anchor = api.task(&ada, titled("anchor")).await;
    let other = api.another().await;
    let body = json!({"title": "x", "after_id": id(&anchor)});
    let calls = (0..24).map(|n| {
        let call = if n % 2 == 0 { api.post("/tasks") } else { Call::new(other.clone(), Method::POST, "/tasks") };
        call.by(&ada).json(&body).send()
    });
    let places: HashSet<_> = join_all(calls)
        .await
        .into_iter()
        .map(|answer| answer.expect(201).body["position"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(places.len(), 24);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_is_left_in_a_list_that_is_removed_at_the_same_time() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    for round in 0..20 {
        let list = json!({"name": format!("List {round}")});
        let list = api.post("/task-lists").by(&ada).json(&list).send().await.expect(201).body;
        let body = json!({"title": "x", "list_id": id(&list)});
        let (made, removed) = tokio::join!(
            Call::new(other.clone(), Method::POST, "/tasks").by(&ada).json(&body).send(),
            api.delete(&format!("/task-lists/{}", id(&list))).by(&ada).send(),
        );
        match (made.status, removed.status) {
            (201, 409) | (422, 204) => {}
            (201, 204) => {
                let task =
                    api.patch(&format!("/tasks/{}", id(&made.body))).by(&ada).json(&json!({})).send().await.expect(200);
                assert_ne!(task.body["list_id"], list["id"]);
            }
            other => panic!("{other:?}: {} {}", made.body, removed.body),
        }
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_last_lists_cannot_remove_each_other() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    // One list is left, and another one comes.
    let last = loop {
        let task = api.task(&ada, titled("x")).await;
        api.delete(&format!("/tasks/{}", id(&task))).by(&ada).send().await.expect(204);
        let list = format!("/task-lists/{}", task["list_id"].as_str().unwrap());
        if api.delete(&list).by(&ada).send().await.status == 409 {
            break list;
        }
    };
    for round in 0..5 {
        let body = json!({"name": format!("New {round}")});
        let made = api.post("/task-lists").by(&ada).json(&body).send().await.expect(201).body;
        let made = format!("/task-lists/{}", id(&made));
        let (one, two) = tokio::join!(
            api.delete(&last).by(&ada).send(),
            Call::new(other.clone(), Method::DELETE, &made).by(&ada).send(),
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409], "{} {}", one.body, two.body);
        if one.status == 204 {
            break;
        }
    }
    api.task(&ada, titled("There is still a list")).await;
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sub_task_lives_on_below_a_task_that_goes_into_the_trash_at_the_same_time() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    let path = |task: &Value| format!("/tasks/{}", id(task));
    for round in 0..20 {
        let parent = api.task(&ada, titled("parent")).await;
        // Looking for these takes the deletion its time.
        for _ in 0..10 {
            api.task(&ada, json!({"title": "x", "parent_id": id(&parent)})).await;
        }
        let body = json!({"title": "late", "parent_id": id(&parent)});
        let operations = json!({"operations": [{"op": "delete", "id": id(&parent)}]});
        let delete = match round % 2 {
            0 => api.delete(&path(&parent)),
            _ => api.post("/tasks/batch").key(&round.to_string()).json(&operations),
        };
        let nest = async {
            // Nothing is waited for: each round begins at another moment of the deletion.
            tokio::time::sleep(Duration::from_millis(round / 2)).await;
            Call::new(other.clone(), Method::POST, "/tasks").by(&ada).json(&body).send().await
        };
        let (deleted, nested) = tokio::join!(delete.by(&ada).send(), nest);
        assert!(deleted.status < 300, "{}", deleted.body);
        if nested.status == 409 {
            continue;
        }
        let late = nested.expect(201).body;
        let edit = || api.patch(&path(&late)).by(&ada).json(&titled("y")).send();
        edit().await.refused(409, "task_deleted");
        // And it comes back with its task.
        api.post(&format!("{}/restore", path(&parent))).by(&ada).send().await.expect(200);
        assert_eq!(edit().await.expect(200).body["parent_id"], parent["id"]);
    }
    api.stop().await;
}
