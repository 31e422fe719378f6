//! Where an e-mail can go.

use orbit_domain::emails::{Folder, folder};
use orbit_events::emails::Role;
use serde_json::{Value, json};

use super::{decide, email_in, folder as a_folder, inbox};
use crate::common::{Api, nobody};

#[tokio::test]
async fn an_email_goes_to_a_folder_by_its_id_or_by_what_it_is_for() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let account = Some(orbit_platform::ids::new_event_id());
    let home = a_folder(&api, &ada, account, "INBOX", Role::Inbox).await;
    let junk = a_folder(&api, &ada, account, "Spam", Role::Junk).await;
    // Further down, and in another account: neither is meant.
    a_folder(&api, &ada, account, "INBOX/Old spam", Role::Junk).await;
    a_folder(&api, &ada, None, "junk", Role::Junk).await;
    let travel = a_folder(&api, &ada, account, "Travel/2026", Role::Other).await;
    let email = email_in(&api, &ada, home).await;
    let go = |body: Value| api.post(&format!("/emails/{email}/move")).by(&ada).json(&body).send();
    let there = go(json!({"folder": "junk"})).await.expect(200);
    assert_eq!((&there.body["folder"], &there.body["folder_id"]), (&json!("junk"), &json!(junk.folder_id)));
    let there = go(json!({ "folder_id": travel.folder_id })).await.expect(200);
    assert_eq!(there.body["folder"], "Travel/2026");
    let facts = api.facts().await;
    go(json!({ "folder_id": travel.folder_id })).await.expect(200);
    assert_eq!(api.facts().await, facts);
    let there = go(json!({"folder": "archive"})).await.expect(200);
    assert_eq!((&there.body["folder"], &there.body["folder_id"]), (&json!("archive"), &json!(travel.folder_id)));
    let there = go(json!({"folder": "inbox"})).await.expect(200);
    assert_eq!((&there.body["folder"], &there.body["is_archived"]), (&json!("inbox"), &json!(false)));
    let bin = a_folder(&api, &ada, account, "Bin", Role::Trash).await;
    let there = go(json!({ "folder_id": bin.folder_id })).await.expect(200);
    assert_eq!((&there.body["folder"], &there.body["folder_id"]), (&json!("trash"), &json!(home.folder_id)));
    api.stop().await;
}

#[tokio::test]
async fn an_email_goes_nowhere_where_there_is_no_folder_of_its_account() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let home = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, home).await;
    let elsewhere = a_folder(&api, &ada, Some(orbit_platform::ids::new_event_id()), "Travel", Role::Other).await;
    let removed = a_folder(&api, &ada, None, "Old", Role::Other).await;
    decide::<Folder>(&api, &ada, removed.folder_id.0, folder::Command::Remove).await;
    let foreign = inbox(&api, &bob).await;
    let facts = api.facts().await;
    let go = |body: Value| api.post(&format!("/emails/{email}/move")).by(&ada).json(&body).send();
    for id in [json!(removed.folder_id), json!(foreign.folder_id), json!(nobody()), json!(email)] {
        let answer = go(json!({ "folder_id": id })).await.refused(422, "unknown_folder");
        answer.names(&[("/folder_id", "unknown_folder")]);
    }
    let answer = go(json!({ "folder_id": elsewhere.folder_id })).await.refused(422, "other_account");
    answer.names(&[("/folder_id", "other_account")]);
    go(json!({"folder": "junk"})).await.refused(422, "unknown_folder").names(&[("/folder", "unknown_folder")]);
    for (body, status, field, code) in [
        (json!({}), 400, "", "empty"),
        (json!({"folder": null}), 400, "", "empty"),
        (json!({"folder": "inbox", "folder_id": home.folder_id}), 400, "/folder", "both_given"),
        (json!({"folder": "other"}), 422, "/folder", "unknown_value"),
        (json!({"folder_id": "x"}), 422, "/folder_id", "invalid_id"),
    ] {
        go(body).await.expect(status).names(&[(field, code)]);
    }
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}
