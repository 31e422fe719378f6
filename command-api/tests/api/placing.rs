//! Places of tasks in their lists: computed by the server from a neighbour.

use serde_json::{Value, json};

use crate::common::{Api, Session, id, nobody, titled};

struct Board {
    api: Api,
    ada: Session,
    tasks: Vec<Value>,
}

impl Board {
    /// Three tasks in a row.
    async fn new() -> Self {
        let api = Api::new().await;
        let ada = api.register("ada@example.org").await;
        let mut tasks = vec![];
        for title in ["a", "b", "c"] {
            api.advance(chrono::TimeDelta::seconds(1));
            tasks.push(api.task(&ada, titled(title)).await);
        }
        Self { api, ada, tasks }
    }

    fn id(&self, n: usize) -> &str {
        id(&self.tasks[n])
    }

    async fn place(&self, n: usize, body: Value) -> crate::common::Answer {
        self.api.post(&format!("/tasks/{}/move", self.id(n))).by(&self.ada).json(&body).send().await
    }

    /// The titles in the order of their claims on places.
    async fn order(&mut self) -> String {
        let mut places = vec![];
        for task in &self.tasks {
            let now =
                self.api.patch(&format!("/tasks/{}", id(task))).by(&self.ada).json(&json!({})).send().await.expect(200);
            places.push((
                now.body["position"].as_str().unwrap().to_owned(),
                now.body["title"].as_str().unwrap().to_owned(),
            ));
        }
        places.sort();
        places.into_iter().map(|(_, title)| title).collect()
    }
}

#[tokio::test]
async fn a_task_goes_right_before_or_right_after_its_neighbour() {
    let mut board = Board::new().await;
    assert_eq!(board.order().await, "abc");
    board.place(0, json!({"after_id": board.id(1)})).await.expect(200);
    assert_eq!(board.order().await, "bac");
    board.place(2, json!({"before_id": board.id(1)})).await.expect(200);
    assert_eq!(board.order().await, "cba");
    board.place(1, json!({"after_id": board.id(0)})).await.expect(200);
    assert_eq!(board.order().await, "cab");
    board.api.stop().await;
}

#[tokio::test]
async fn a_new_task_can_be_put_at_a_neighbour_too() {
    let mut board = Board::new().await;
    let body = json!({"title": "n", "before_id": board.id(0)});
    let task = board.api.task(&board.ada, body).await;
    board.tasks.push(task);
    let body = json!({"title": "m", "after_id": board.id(0)});
    let task = board.api.task(&board.ada, body).await;
    board.tasks.push(task);
    assert_eq!(board.order().await, "nambc");
    board.api.stop().await;
}

#[tokio::test]
async fn a_task_that_stands_there_already_does_not_move() {
    let board = Board::new().await;
    let facts = board.api.facts().await;
    board.place(1, json!({"after_id": board.id(0)})).await.expect(200);
    board.place(1, json!({"before_id": board.id(2)})).await.expect(200);
    board.place(2, json!({"list_id": board.tasks[2]["list_id"]})).await.expect(200);
    let path = format!("/tasks/{}", board.id(0));
    let same = json!({"list_id": board.tasks[0]["list_id"]});
    board.api.patch(&path).by(&board.ada).json(&same).send().await.expect(200);
    assert_eq!(board.api.facts().await, facts);
    board.api.stop().await;
}

#[tokio::test]
async fn a_task_goes_to_the_end_of_its_own_list() {
    let mut board = Board::new().await;
    let list = json!({"list_id": board.tasks[0]["list_id"]});
    board.place(0, list.clone()).await.expect(200);
    assert_eq!(board.order().await, "bca");
    // Also when the last one was put there by a clock that was ahead.
    board.api.advance(chrono::TimeDelta::minutes(1));
    board.place(1, list.clone()).await.expect(200);
    board.api.advance(-chrono::TimeDelta::seconds(62));
    board.place(2, list.clone()).await.expect(200);
    assert_eq!(board.order().await, "abc");
    let facts = board.api.facts().await;
    board.place(2, list).await.expect(200);
    assert_eq!(board.api.facts().await, facts);
    board.api.stop().await;
}

#[tokio::test]
async fn a_task_goes_to_the_end_of_another_list() {
    let board = Board::new().await;
    let list =
        board.api.post("/task-lists").by(&board.ada).json(&json!({"name": "Errands"})).send().await.expect(201).body;
    let moved = board.place(0, json!({"list_id": id(&list)})).await.expect(200).body;
    assert_eq!(moved["list_id"], id(&list));
    // Without a list the neighbour's is meant.
    let moved = board.place(1, json!({"before_id": board.id(0)})).await.expect(200).body;
    assert_eq!(moved["list_id"], id(&list));
    let answer = board.place(2, json!({"list_id": board.tasks[2]["list_id"], "before_id": board.id(0)})).await;
    answer.refused(422, "not_in_list").names(&[("/before_id", "not_in_list")]);
    let target = json!({"list_id": id(&list)});
    let path = format!("/tasks/{}", board.id(2));
    let moved = board.api.patch(&path).by(&board.ada).json(&target).send().await.expect(200).body;
    assert_eq!(moved["list_id"], id(&list));
    board.api.stop().await;
}

#[tokio::test]
async fn a_place_that_makes_no_sense_is_refused_by_name() {
    let board = Board::new().await;
    board.place(0, json!({})).await.refused(400, "invalid_request").names(&[("", "empty")]);
    board.place(0, json!({"list_id": null})).await.refused(400, "invalid_request");
    let answer = board.place(0, json!({"before_id": board.id(0)})).await;
    answer.refused(422, "own_neighbour").names(&[("/before_id", "own_neighbour")]);
    let answer = board.place(0, json!({"after_id": nobody()})).await;
    answer.refused(422, "unknown_task").names(&[("/after_id", "unknown_task")]);
    let answer = board.place(0, json!({"after_id": board.id(1), "before_id": board.id(2)})).await;
    answer.refused(422, "validation_failed").names(&[("/after_id", "both_given")]);
    let answer = board.place(0, json!({"list_id": nobody()})).await;
    answer.refused(422, "unknown_list").names(&[("/list_id", "unknown_list")]);
    board.api.delete(&format!("/tasks/{}", board.id(1))).by(&board.ada).send().await.expect(204);
    board.place(0, json!({"after_id": board.id(1)})).await.refused(422, "unknown_task");
    board.api.stop().await;
}

#[tokio::test]
async fn a_task_whose_place_was_taken_while_it_was_in_the_trash_comes_back_behind_it() {
    let board = Board::new().await;
    board.api.delete(&format!("/tasks/{}", board.id(1))).by(&board.ada).send().await.expect(204);
    // Somebody else stands exactly there now.
    let (list, position) = (board.tasks[1]["list_id"].as_str().unwrap(), board.tasks[1]["position"].as_str().unwrap());
    let list: uuid::Uuid = list.parse().unwrap();
    let claim = [list.as_bytes(), position.as_bytes()].concat();
    sqlx::query("INSERT INTO log.claims (scope, key, stream_id) VALUES ('tasks.order', $1, $2)")
        .bind(claim)
        .bind(uuid::Uuid::nil())
        .execute(board.api.database.pool())
        .await
        .unwrap();
    let path = format!("/tasks/{}/restore", board.id(1));
    let restored = board.api.post(&path).by(&board.ada).send().await.expect(200).body;
    assert!(restored["position"].as_str().unwrap() > position);
    board.api.stop().await;
}
