//! What follows a write that is in the log: whatever becomes of it, the answer is that of the write.

use chrono::TimeDelta;
use serde_json::json;

use crate::common::{Answer, Api, Call, PASSWORD, Session, id};

const BLIND: &str = "
    CREATE OR REPLACE FUNCTION log.blind() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        REVOKE ALL ON log.claims, log.failed_logins FROM orbit_command;
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER blind AFTER INSERT ON log.events FOR EACH STATEMENT EXECUTE FUNCTION log.blind();";
const SEEING: &str = "
    DROP TRIGGER blind ON log.events;
    GRANT SELECT, INSERT, UPDATE, DELETE ON log.claims, log.failed_logins TO orbit_command;";

/// Sends a request. From the moment at which its facts are in the log, the process can no longer look at claims.
async fn cut_short(api: &Api, call: Call) -> Answer {
    sqlx::raw_sql(BLIND).execute(api.database.pool()).await.unwrap();
    let facts = api.facts().await;
    let answer = call.send().await;
    assert!(api.facts().await > facts, "nothing was appended: {}", answer.body);
    sqlx::raw_sql(SEEING).execute(api.database.pool()).await.unwrap();
    answer
}

#[tokio::test]
async fn a_login_stands_though_earlier_failures_are_not_forgotten() {
    let api = Api::new().await;
    api.register("ada@example.org").await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    let ada = Session::of(&cut_short(&api, api.post("/auth/login").json(&body)).await.expect(200));
    api.post("/auth/refresh").json(&json!({"refresh_token": ada.refresh})).send().await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn what_ends_logins_stands_though_late_ones_are_not_looked_for() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let other = api.login("ada@example.org").await;
    let body = json!({"current_password": PASSWORD, "new_password": "Battery staple 2"});
    cut_short(&api, api.post("/auth/password").by(&ada).json(&body)).await.expect(204);
    api.post("/auth/refresh").json(&json!({"refresh_token": other.refresh})).send().await.refused(401, "logged_out");
    cut_short(&api, api.post("/auth/logout-all").by(&ada)).await.expect(204);
    api.post("/auth/refresh").json(&json!({"refresh_token": ada.refresh})).send().await.refused(401, "logged_out");
    api.stop().await;
}

#[tokio::test]
async fn who_is_erased_is_forgotten_though_what_follows_the_fact_failed_at_first() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    api.delete("/auth/me").by(&ada).json(&json!({"password": PASSWORD})).send().await.expect(202);
    api.advance(TimeDelta::days(7));
    sqlx::raw_sql(BLIND).execute(api.database.pool()).await.unwrap();
    api.app.erase_due().await.unwrap_err();
    sqlx::raw_sql(SEEING).execute(api.database.pool()).await.unwrap();
    api.app.store().sweep_once().await.unwrap();
    let query = "SELECT count(*) FROM vault.keys WHERE destroyed_at IS NULL";
    let left: i64 = sqlx::query_scalar(query).fetch_one(api.database.pool()).await.unwrap();
    assert_eq!(left, 0);
    api.stop().await;
}

#[tokio::test]
async fn a_list_is_off_the_board_though_late_tasks_are_not_looked_for() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let list = api.post("/task-lists").by(&ada).json(&json!({"name": "Errands"})).send().await.expect(201).body;
    let path = format!("/task-lists/{}", id(&list));
    cut_short(&api, api.delete(&path).by(&ada)).await.expect(204);
    api.patch(&path).by(&ada).json(&json!({"name": "x"})).send().await.refused(410, "list_removed");
    api.stop().await;
}

#[tokio::test]
async fn a_task_is_in_the_trash_though_late_sub_tasks_are_not_looked_for() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, json!({"title": "x"})).await;
    let path = format!("/tasks/{}", id(&task));
    api.advance(TimeDelta::seconds(1));
    cut_short(&api, api.delete(&path).by(&ada)).await.expect(204);
    api.patch(&path).by(&ada).json(&json!({"title": "y"})).send().await.refused(409, "task_deleted");
    api.stop().await;
}
