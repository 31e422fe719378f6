//! Accounts: register, change, another password, erase.

use serde_json::json;

use crate::common::{Api, PASSWORD, Session, titled};

#[tokio::test]
async fn registering_opens_an_account_with_four_lists_and_logs_in() {
    let api = Api::new().await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada", "time_zone": "Europe/Berlin"});
    let answer = api.post("/auth/register").json(&body).send().await.expect(201);
    assert_eq!(answer.text("location"), "/api/v1/auth/me");
    assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&json!("bearer"), &json!(900)));
    let expected =
        ["users.registered", "lists.created", "lists.created", "lists.created", "lists.created", "logins.logged_in"];
    let mut types = api.types_after(0).await;
    types.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(types, expected);
    let ada = Session::of(&answer);
    assert!(ada.refresh.starts_with("orb_rt_"));
    // The first of the lists takes tasks that name none.
    let one = api.task(&ada, titled("One")).await;
    api.advance(chrono::TimeDelta::microseconds(1));
    let two = api.task(&ada, titled("Two")).await;
    assert_eq!(one["list_id"], two["list_id"]);
    assert!(one["position"].as_str() < two["position"].as_str());
    api.stop().await;
}

#[tokio::test]
async fn an_address_has_one_account_whatever_its_case() {
    let api = Api::new().await;
    api.register("ada@example.org").await;
    let facts = api.facts().await;
    let body = json!({"email": "ADA@Example.org", "password": PASSWORD, "name": "Ada"});
    let answer = api.post("/auth/register").json(&body).send().await;
    answer.refused(409, "email_taken").names(&[("/email", "email_taken")]);
    let answer = api.post("/auth/register").key("k1").json(&body).send().await;
    answer.refused(409, "email_taken");
    assert_eq!(api.facts().await, facts);
    // And no key is left behind that nobody will ever destroy.
    let keys = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM vault.keys");
    assert_eq!(keys.fetch_one(api.database.pool()).await.unwrap(), 1);
    api.stop().await;
}

#[tokio::test]
async fn a_registration_can_be_repeated_with_its_key() {
    let api = Api::new().await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada"});
    let call = || api.post("/auth/register").key("k1").json(&body).send();
    let (first, again) = (call().await.expect(201), call().await.expect(201));
    assert_eq!(first.body, again.body);
    assert_eq!(again.text("idempotent-replayed"), "true");
    // Nobody learns what was in the body by trying hashes: the table holds none that can be made without the key.
    let other = json!({"email": "ada@example.org", "password": "Correct horse 2", "name": "Ada"});
    api.post("/auth/register").key("k1").json(&other).send().await.refused(422, "idempotency_key_reused");
    api.stop().await;
}

#[tokio::test]
async fn every_rule_that_a_new_password_breaks_is_told() {
    let api = Api::new().await;
    let body = json!({"email": "no address", "password": "short", "name": " "});
    let answer = api.post("/auth/register").json(&body).send().await.refused(422, "validation_failed");
    answer.names(&[
        ("/email", "invalid_email"),
        ("/password", "too_short"),
        ("/password", "no_upper_case"),
        ("/password", "no_digit"),
        ("/name", "empty"),
    ]);
    api.stop().await;
}

#[tokio::test]
async fn profile_and_preferences_are_changed_by_a_merge_patch() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let patch = json!({
        "name": "Ada L.", "avatar_url": "https://example.org/ada.png", "time_zone": "Europe/London", "locale": "en-gb",
        "working_hours": [{"weekday": 2, "from": "09:00", "to": "17:00"}, {"weekday": 1, "from": "09:00", "to": "17:00"}],
        "preferences": {"theme": "dark", "board": {"compact": true, "zoom": 2}}
    });
    let answer = api.patch("/auth/me").by(&ada).json(&patch).send().await.expect(200);
    assert_eq!((answer.text("etag").as_str(), &answer.body["locale"]), ("\"3\"", &json!("en-GB")));
    assert_eq!(answer.body["working_hours"][0]["weekday"], 1);
    assert_eq!(answer.body["email"], "ada@example.org");
    assert!(answer.body.get("password_hash").is_none());
    let patch = json!({"avatar_url": null, "working_hours": null, "preferences": {"board": {"zoom": null}}});
    let answer = api.patch("/auth/me").by(&ada).json(&patch).send().await.expect(200);
    assert_eq!(answer.body["preferences"], json!({"theme": "dark", "board": {"compact": true}}));
    assert_eq!((&answer.body["avatar_url"], &answer.body["working_hours"]), (&json!(null), &json!([])));
    let answer = api.patch("/auth/me").by(&ada).json(&json!({"preferences": null})).send().await.expect(200);
    assert_eq!(answer.body["preferences"], json!({}));
    assert_eq!(answer.body["name"], "Ada L.");
    api.stop().await;
}

#[tokio::test]
async fn every_faulty_field_of_a_profile_is_named() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let patch = json!({
        "name": null, "avatar_url": "ftp://x", "time_zone": "Mars/Olympus", "locale": "x", "preferences": [],
        "working_hours": [{"weekday": 9, "from": "9:00", "to": "10:00"}, {"weekday": 1}, 7]
    });
    let answer = api.patch("/auth/me").by(&ada).json(&patch).send().await.refused(400, "invalid_request");
    let mut pointers: Vec<_> = answer.faults().into_iter().map(|(pointer, _)| pointer).collect();
    pointers.sort();
    assert_eq!(
        pointers,
        ["/avatar_url", "/locale", "/name", "/preferences", "/time_zone", "/working_hours/2"],
        "{}",
        answer.body
    );
    let patch = json!({"working_hours": [{"weekday": 9, "from": "9:00", "to": "10:00"}, {"weekday": 1}]});
    let answer = api.patch("/auth/me").by(&ada).json(&patch).send().await.refused(400, "invalid_request");
    answer.names(&[("/working_hours/1/from", "missing"), ("/working_hours/1/to", "missing")]);
    let patch = json!({"working_hours": [{"weekday": 9, "from": "9:00", "to": "10:00"}]});
    let answer = api.patch("/auth/me").by(&ada).json(&patch).send().await.refused(422, "validation_failed");
    answer.names(&[("/working_hours/0/weekday", "out_of_range"), ("/working_hours/0/from", "invalid_time")]);
    api.stop().await;
}

#[tokio::test]
async fn another_password_logs_out_the_other_devices() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let phone = api.login("ada@example.org").await;
    let change = |current: &str| json!({"current_password": current, "new_password": "Battery staple 2"});
    let wrong = api.post("/auth/password").by(&ada).json(&change("Wrong horse 1")).send().await;
    wrong.refused(422, "wrong_password").names(&[("/current_password", "wrong_password")]);
    let call = || api.post("/auth/password").by(&ada).key("k1").json(&change(PASSWORD)).send();
    call().await.expect(204);
    // Repeated, it shows a password that is no longer the present one, and is answered all the same.
    assert_eq!(call().await.expect(204).text("idempotent-replayed"), "true");
    api.task(&ada, titled("Still here")).await;
    api.post("/tasks").by(&phone).json(&titled("x")).send().await.refused(401, "invalid_token");
    let refresh = json!({"refresh_token": phone.refresh});
    api.post("/auth/refresh").json(&refresh).send().await.refused(401, "logged_out");
    let login = |password: &str| {
        api.post("/auth/login").json(&json!({"email": "ada@example.org", "password": password})).send()
    };
    login(PASSWORD).await.refused(401, "invalid_credentials");
    login("Battery staple 2").await.expect(200);
    api.stop().await;
}
