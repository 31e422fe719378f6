//! Who may ask for what.

use serde_json::json;

use super::{email_in, inbox, token};
use crate::common::{Api, nobody};

#[tokio::test]
async fn an_api_token_that_may_write_email_may_not_send_it_and_the_other_way_round() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    let (reader, writer, sender) = (
        token(&api, &ada, &["email:read", "tasks:write"]).await,
        token(&api, &ada, &["email:write"]).await,
        token(&api, &ada, &["email:send"]).await,
    );
    let read = |token: &str| api.post(&format!("/emails/{email}/read")).bearer(token).send();
    read(&reader).await.refused(403, "missing_scope");
    read(&sender).await.refused(403, "missing_scope");
    read(&writer).await.expect(200);
    let send = |token: &str| {
        api.post("/emails/send").bearer(token).key("k1").json(&json!({"to": ["grace@example.org"]})).send()
    };
    send(&reader).await.refused(403, "missing_scope");
    send(&writer).await.refused(403, "missing_scope");
    send(&sender).await.refused(422, "no_sending_connection");
    for verb in ["retry", "reschedule"] {
        let path = format!("/emails/submissions/{}/{verb}", nobody());
        let body = if verb == "retry" { json!({}) } else { json!({"send_at": "2026-12-01T08:00:00Z"}) };
        api.post(&path).bearer(&writer).json(&body).send().await.refused(403, "missing_scope");
        api.post(&path).bearer(&sender).json(&body).send().await.refused(404, "not_found");
    }
    let cancel = format!("/emails/submissions/{}/cancel", nobody());
    api.post(&cancel).bearer(&sender).send().await.refused(403, "missing_scope");
    api.post(&cancel).bearer(&writer).send().await.refused(404, "not_found");
    api.stop().await;
}
