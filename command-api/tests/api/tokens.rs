//! API tokens: issued once, good for their scopes, gone at once.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::common::{Api, PASSWORD, Session, id, titled};

async fn issue(api: &Api, ada: &Session, body: Value) -> String {
    let answer = api.post("/auth/tokens").by(ada).json(&body).send().await.expect(201);
    assert_eq!(answer.text("location"), format!("/api/v1/auth/tokens/{}", id(&answer.body)));
    answer.body["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_does_what_its_scopes_allow() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let writer = issue(&api, &ada, json!({"name": "script", "scopes": ["tasks:write", "tasks:write"]})).await;
    assert!(writer.starts_with("orb_pat_"));
    api.post("/tasks").bearer(&writer).json(&titled("One")).send().await.expect(201);
    let reader = issue(&api, &ada, json!({"name": "script", "scopes": ["tasks:read"]})).await;
    let refused = api.post("/tasks").bearer(&reader).json(&titled("One")).send().await.refused(403, "missing_scope");
    assert!(refused.body["detail"].as_str().unwrap().contains("tasks:write"));
    let me = || json!({"name": "Somebody else"});
    api.patch("/auth/me").bearer(&writer).json(&me()).send().await.refused(403, "missing_scope");
    let admin = issue(&api, &ada, json!({"name": "script", "scopes": ["admin"]})).await;
    api.patch("/auth/me").bearer(&admin).json(&me()).send().await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn what_only_the_user_may_do_no_token_may() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let admin = issue(&api, &ada, json!({"name": "script", "scopes": ["admin"]})).await;
    let token = json!({"name": "another", "scopes": ["admin"]});
    api.post("/auth/tokens").bearer(&admin).json(&token).send().await.refused(403, "forbidden");
    api.post("/auth/logout").bearer(&admin).send().await.refused(403, "forbidden");
    api.post("/auth/logout-all").bearer(&admin).send().await.refused(403, "forbidden");
    let body = json!({"current_password": PASSWORD, "new_password": "Battery staple 2"});
    api.post("/auth/password").bearer(&admin).json(&body).send().await.refused(403, "forbidden");
    api.delete("/auth/me").bearer(&admin).json(&json!({"password": PASSWORD})).send().await.refused(403, "forbidden");
    api.stop().await;
}

#[tokio::test]
async fn a_revoked_or_expired_token_is_refused() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let soon = api.clock.now() + TimeDelta::hours(1);
    let body = json!({"name": "script", "scopes": ["tasks:write"], "expires_at": soon});
    let expiring = issue(&api, &ada, body).await;
    let lasting = api.post("/auth/tokens").by(&ada).json(&json!({"name": "script", "scopes": ["tasks:write"]}));
    let lasting = lasting.send().await.expect(201).body;
    let send = |token: String| api.post("/tasks").bearer(&token).json(&titled("x")).send();
    send(expiring.clone()).await.expect(201);
    let path = format!("/auth/tokens/{}", id(&lasting));
    let token = lasting["token"].as_str().unwrap().to_owned();
    send(token.clone()).await.expect(201);
    let bob = api.register("bob@example.org").await;
    api.delete(&path).by(&bob).send().await.refused(404, "not_found");
    api.delete(&path).by(&ada).send().await.expect(204);
    api.delete(&path).by(&ada).send().await.expect(204);
    send(token).await.refused(401, "invalid_token");
    api.advance(TimeDelta::hours(1));
    send(expiring).await.refused(401, "token_expired");
    api.stop().await;
}

#[tokio::test]
async fn a_token_with_another_secret_is_refused() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let mut token = issue(&api, &ada, json!({"name": "script", "scopes": ["tasks:write"]})).await;
    let place = token.len() - 10;
    let other = if &token[place..=place] == "A" { "B" } else { "A" };
    token.replace_range(place..=place, other);
    api.post("/tasks").bearer(&token).json(&titled("x")).send().await.refused(401, "invalid_token");
    api.stop().await;
}

#[tokio::test]
async fn every_faulty_field_of_a_token_is_named() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let send = |body: Value| api.post("/auth/tokens").by(&ada).json(&body).send();
    let answer = send(json!({"scopes": ["tasks:read", "tasks:fly", 7], "expires_at": "soon"})).await;
    answer.refused(400, "invalid_request").names(&[
        ("/name", "missing"),
        ("/scopes/2", "wrong_type"),
        ("/expires_at", "invalid_value"),
    ]);
    let answer = send(json!({"name": "", "scopes": ["tasks:read", "tasks:fly"]})).await;
    answer.refused(422, "validation_failed").names(&[("/name", "empty"), ("/scopes/1", "unknown_scope")]);
    send(json!({"name": "x", "scopes": []})).await.refused(422, "validation_failed").names(&[("/scopes", "empty")]);
    let past = api.clock.now() - TimeDelta::seconds(1);
    let answer = send(json!({"name": "x", "scopes": ["admin"], "expires_at": past})).await;
    answer.refused(422, "expires_in_past").names(&[("/expires_at", "expires_in_past")]);
    api.stop().await;
}
