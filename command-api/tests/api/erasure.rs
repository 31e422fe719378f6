//! To be forgotten: asked for with the password, taken back until it is due, and then for good.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::common::{Answer, Api, Call, PASSWORD, Session, id, start, titled};

async fn erase(api: &Api, session: &Session) -> Answer {
    api.delete("/auth/me").by(session).json(&json!({ "password": PASSWORD })).send().await
}

async fn keys(api: &Api) -> i64 {
    let query = "SELECT count(*) FROM vault.keys WHERE destroyed_at IS NULL";
    sqlx::query_scalar(query).fetch_one(api.database.pool()).await.unwrap()
}

async fn rows(api: &Api, table: &'static str) -> i64 {
    let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(query).fetch_one(api.database.pool()).await.unwrap()
}

#[tokio::test]
async fn who_asks_to_be_erased_has_seven_days_and_keeps_this_device_only() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let phone = api.login("ada@example.org").await;
    let token = json!({"name": "script", "scopes": ["tasks:write"]});
    let token = api.post("/auth/tokens").by(&ada).json(&token).send().await.expect(201).body;
    let wrong = api.delete("/auth/me").by(&ada).json(&json!({ "password": "Wrong horse 1" })).send().await;
    wrong.refused(422, "wrong_password").names(&[("/password", "wrong_password")]);
    let before = api.facts().await;
    let due = json!(start() + TimeDelta::days(7));
    assert_eq!(erase(&api, &ada).await.expect(202).body, json!({ "due_at": due }));
    let mut types = api.types_after(before).await;
    types.sort();
    assert_eq!(types, ["api_tokens.revoked", "logins.logged_out", "users.erasure_requested"]);
    api.post("/tasks").by(&phone).json(&titled("x")).send().await.refused(401, "invalid_token");
    api.post("/tasks").bearer(token["token"].as_str().unwrap()).json(&titled("x")).send().await.expect(401);
    api.task(&ada, titled("Still here")).await;
    // Asking again, later and from another device, changes nothing.
    api.advance(TimeDelta::days(1));
    let ada = api.login("ada@example.org").await;
    let before = api.facts().await;
    assert_eq!(erase(&api, &ada).await.expect(202).body, json!({ "due_at": due }));
    assert!(!api.types_after(before).await.iter().any(|fact| fact.starts_with("users.")));
    let me = api.patch("/auth/me").by(&ada).json(&json!({"name": "Ada L."})).send().await.expect(200);
    assert_eq!(me.body["erasure_due_at"], due);
    api.app.erase_due().await.unwrap();
    assert_eq!(keys(&api).await, 1, "it is not due");
    api.stop().await;
}

#[tokio::test]
async fn an_erasure_can_be_taken_back_until_it_is_due() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let cancel = || api.post("/auth/me/erasure/cancel").by(&ada).send();
    cancel().await.expect(204);
    erase(&api, &ada).await.expect(202);
    let before = api.facts().await;
    cancel().await.expect(204);
    cancel().await.expect(204);
    assert_eq!(api.types_after(before).await, ["users.erasure_cancelled"]);
    api.advance(TimeDelta::days(8));
    api.app.erase_due().await.unwrap();
    assert_eq!(keys(&api).await, 1);
    let ada = api.login("ada@example.org").await;
    let me = api.patch("/auth/me").by(&ada).json(&json!({"name": "Ada L."})).send().await.expect(200);
    assert_eq!(me.body["erasure_due_at"], Value::Null);
    // Asked for again, it is due at another time.
    let due = json!(start() + TimeDelta::days(15));
    assert_eq!(erase(&api, &ada).await.expect(202).body["due_at"], due);
    api.stop().await;
}

#[tokio::test]
async fn who_is_due_is_forgotten_for_good() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let other = api.register("other@example.org").await;
    let task = api.task(&ada, titled("Secret plan")).await;
    let connection = json!({"kind": "imap", "name": "Mail", "endpoint": "imap.example.org", "port": 993,
                            "username": "ada", "secret": "s3cr3t"});
    api.post("/connections").by(&ada).json(&connection).send().await.expect(201);
    let kept = api.task(&other, titled("Stays")).await;
    api.post("/tasks").by(&ada).key("my-secret-key").json(&titled("x")).send().await.expect(201);
    erase(&api, &ada).await.expect(202);
    let before = api.facts().await;
    api.advance(TimeDelta::days(7));
    // Two processes at once: the fact is appended once.
    let another = api.another_app().await;
    let (one, two) = tokio::join!(api.app.erase_due(), another.erase_due());
    one.unwrap();
    two.unwrap();
    let mut types = api.types_after(before).await;
    types.sort();
    assert_eq!(types, ["connections.disconnected", "logins.logged_out", "users.erased"]);
    assert_eq!(keys(&api).await, 1, "the other one's");
    let actors: Vec<Value> = sqlx::query_scalar("SELECT metadata->'actor' FROM log.events WHERE position > $1")
        .bind(before)
        .fetch_all(api.database.pool())
        .await
        .unwrap();
    assert!(actors.iter().all(|actor| actor["type"] == "system"), "{actors:?}");
    // Neither answers nor claims of theirs are left.
    assert_eq!(rows(&api, "log.commands").await, 0);
    let claims = "log.claims c JOIN log.streams s USING (stream_id) JOIN log.events e USING (stream_id)
                  WHERE e.type = 'users.erased' OR s.user_id IN (SELECT user_id FROM vault.keys WHERE wrapped IS NULL)";
    assert_eq!(rows(&api, claims).await, 0);
    // Nothing that belonged to the account works any more.
    api.post("/tasks").by(&ada).json(&titled("x")).send().await.expect(401);
    api.post("/auth/refresh").json(&json!({"refresh_token": ada.refresh})).send().await.expect(401);
    let login = json!({"email": "ada@example.org", "password": PASSWORD});
    api.post("/auth/login").json(&login).send().await.refused(401, "invalid_credentials");
    // Others may have the address, and find nothing of what was there.
    let namesake = api.register("Ada@example.org").await;
    api.patch(&format!("/tasks/{}", id(&task))).by(&namesake).json(&titled("x")).send().await.expect(404);
    let other = api.login("other@example.org").await;
    api.patch(&format!("/tasks/{}", id(&kept))).by(&other).json(&titled("Stays so")).send().await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn guesses_at_the_password_of_an_erasure_lock_the_account_as_logins_do() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    for _ in 0..5 {
        let wrong = json!({"password": "Wrong horse 1"});
        api.delete("/auth/me").by(&ada).json(&wrong).send().await.refused(422, "wrong_password");
    }
    erase(&api, &ada).await.refused(429, "login_locked");
    api.stop().await;
}

#[tokio::test]
async fn a_dry_run_of_an_erasure_changes_nothing() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let phone = api.login("ada@example.org").await;
    let facts = api.facts().await;
    let erase = api.delete("/auth/me?dry_run=true").by(&ada).json(&json!({ "password": PASSWORD }));
    let shown = erase.send().await.expect(200).body["facts"].clone();
    assert_eq!(shown.as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(api.facts().await, facts);
    api.task(&phone, titled("Still here")).await;
    api.stop().await;
}

#[tokio::test]
async fn an_erasure_wants_the_password_and_nothing_else_and_no_api_token() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let send = |body: Value| api.delete("/auth/me").by(&ada).json(&body).send();
    send(json!({})).await.refused(400, "invalid_request").names(&[("/password", "missing")]);
    send(json!({"password": ""})).await.refused(422, "validation_failed").names(&[("/password", "empty")]);
    let more = json!({"password": PASSWORD, "at": "once"});
    send(more).await.refused(400, "invalid_request").names(&[("/at", "unknown_field")]);
    let cancel = |call: Call| call.json(&json!({"please": true})).send();
    let path = "/auth/me/erasure/cancel";
    cancel(api.post(path).by(&ada)).await.refused(400, "invalid_request").names(&[("/please", "unknown_field")]);
    let token = json!({"name": "script", "scopes": ["admin"]});
    let token = api.post("/auth/tokens").by(&ada).json(&token).send().await.expect(201).body;
    api.post(path).bearer(token["token"].as_str().unwrap()).send().await.refused(403, "forbidden");
    api.post(path).send().await.expect(401);
    api.stop().await;
}

/// A request that comes while the user is being forgotten: their login is still remembered, their claims are gone.
#[tokio::test]
async fn who_is_being_forgotten_is_told_so_when_a_task_looks_for_its_list() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    sqlx::query("DELETE FROM log.claims c USING log.streams s WHERE s.stream_id = c.stream_id AND s.user_id = $1")
        .bind(ada.claims()["sub"].as_str().unwrap().parse::<uuid::Uuid>().unwrap())
        .execute(api.database.pool())
        .await
        .unwrap();
    api.post("/tasks").by(&ada).json(&titled("Too late")).send().await.refused(410, "gone");
    api.stop().await;
}
