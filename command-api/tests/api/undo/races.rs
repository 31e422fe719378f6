//! Somebody edits while it is undone: it comes out as if one had come after the other.

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{fields, newest, path};
use crate::common::{Api, Call, titled};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_comes_while_it_is_undone_is_never_lost() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    let mut undone = 0;
    for round in 0..20 {
        let task = api.task(&ada, titled("first")).await;
        api.patch(&path(&task)).by(&ada).json(&titled("second")).send().await.expect(200);
        let body = json!({"event_id": newest(&api).await});
        let third = format!("third {round}");
        let (undo, edit) = tokio::join!(
            Call::new(other.clone(), Method::POST, "/history/undo").by(&ada).json(&body).send(),
            api.patch(&path(&task)).by(&ada).json(&titled(&third)).send(),
        );
        edit.expect(200);
        match undo.status {
            200 => undone += 1,
            409 => assert_eq!(undo.body["errors"][0]["actual"], third.as_str(), "{}", undo.body),
            status => panic!("{status}: {}", undo.body),
        }
        assert_eq!(fields(&api, &ada, &path(&task)).await["title"], third.as_str());
    }
    assert!(undone <= 20);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_undo_the_same_one_does() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    let task = api.task(&ada, titled("first")).await;
    api.patch(&path(&task)).by(&ada).json(&titled("second")).send().await.expect(200);
    let body = json!({"event_id": newest(&api).await});
    let facts = api.facts().await;
    let calls = (0..8).map(|n| {
        let call = if n % 2 == 0 {
            api.post("/history/undo")
        } else {
            Call::new(other.clone(), Method::POST, "/history/undo")
        };
        call.by(&ada).json(&body).send()
    });
    let answers = join_all(calls).await;
    let appended = |answer: &Value| answer["facts"].as_array().map_or(0, Vec::len);
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(answers.iter().map(|answer| appended(&answer.body)).sum::<usize>(), 1);
    assert_eq!(api.facts().await, facts + 1);
    api.stop().await;
}
