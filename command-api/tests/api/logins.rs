//! Logins: credentials, refresh tokens, logging out, tokens that are forged or have expired.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use orbit_platform::{
    auth::TokenSigner,
    config::{AuthArgs, Environment, Secret, generate_signing_key},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::common::{Answer, Api, Call, PASSWORD, Session, nobody, titled};

async fn login(api: &Api, email: &str, password: &str, address: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    api.post("/auth/login").from(address).json(&body).send().await
}

async fn refresh(api: &Api, token: &str) -> Answer {
    api.post("/auth/refresh").json(&json!({"refresh_token": token})).send().await
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_are_told_alike() {
    let api = Api::new().await;
    api.register("ada@example.org").await;
    let wrong = login(&api, "ada@example.org", "Wrong horse 1", "10.0.0.1").await.refused(401, "invalid_credentials");
    let unknown = login(&api, "eve@example.org", PASSWORD, "10.0.0.1").await.refused(401, "invalid_credentials");
    let told = |answer: &Answer| (answer.body["detail"].clone(), answer.text("www-authenticate"));
    assert_eq!(told(&wrong), told(&unknown));
    login(&api, "ADA@example.org", PASSWORD, "10.0.0.1").await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn guesses_made_side_by_side_learn_no_more_than_those_made_one_after_the_other() {
    let api = Api::new().await;
    api.register("ada@example.org").await;
    let guesses = (0..20).map(|n| {
        let api = &api;
        async move { login(api, "ada@example.org", &format!("Wrong-Guess-{n}"), "10.0.0.1").await.status }
    });
    let told = futures_util::future::join_all(guesses).await;
    let count = |of| told.iter().filter(|status| **status == of).count();
    assert_eq!((count(401), count(429)), (5, 15), "{told:?}");
    api.stop().await;
}

#[tokio::test]
async fn five_failures_lock_an_account_for_the_address_they_came_from() {
    let api = Api::new().await;
    api.register("ada@example.org").await;
    for _ in 0..5 {
        login(&api, "ada@example.org", "Wrong horse 1", "10.0.0.1").await.expect(401);
        api.advance(TimeDelta::seconds(10));
    }
    let locked = login(&api, "ada@example.org", PASSWORD, "10.0.0.1").await.refused(429, "login_locked");
    assert_eq!(locked.text("retry-after"), (15 * 60 - 10).to_string());
    // Others, and the same user elsewhere, are not locked out.
    login(&api, "ada@example.org", PASSWORD, "10.0.0.2").await.expect(200);
    login(&api, "bob@example.org", PASSWORD, "10.0.0.1").await.refused(401, "invalid_credentials");
    api.advance(TimeDelta::minutes(15));
    login(&api, "ada@example.org", PASSWORD, "10.0.0.1").await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn a_login_forgets_earlier_failures() {
    let api = Api::new().await;
    api.register("ada@example.org").await;
    for _ in 0..2 {
        for _ in 0..4 {
            login(&api, "ada@example.org", "Wrong horse 1", "10.0.0.1").await.expect(401);
        }
        login(&api, "ada@example.org", PASSWORD, "10.0.0.1").await.expect(200);
    }
    api.stop().await;
}

#[tokio::test]
async fn guessing_the_present_password_locks_too() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let body = json!({"current_password": "Wrong horse 1", "new_password": "Battery staple 2"});
    for _ in 0..5 {
        api.post("/auth/password").by(&ada).json(&body).send().await.refused(422, "wrong_password");
    }
    api.post("/auth/password").by(&ada).json(&body).send().await.refused(429, "login_locked");
    api.delete("/auth/me").by(&ada).json(&json!({"password": PASSWORD})).send().await.refused(429, "login_locked");
    api.stop().await;
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next_pair() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    api.advance(TimeDelta::minutes(16));
    api.post("/tasks").by(&ada).json(&titled("x")).send().await.refused(401, "token_expired");
    let next = Session::of(&refresh(&api, &ada.refresh).await.expect(200));
    assert_ne!(next.refresh, ada.refresh);
    assert_eq!(next.sid(), ada.sid());
    api.task(&next, titled("One")).await;
    api.stop().await;
}

#[tokio::test]
async fn a_refresh_token_that_is_used_twice_logs_the_device_out() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let phone = api.login("ada@example.org").await;
    let next = Session::of(&refresh(&api, &ada.refresh).await.expect(200));
    let before = api.facts().await;
    refresh(&api, &ada.refresh).await.refused(401, "refresh_reuse_detected");
    assert_eq!(api.types_after(before).await, ["logins.refresh_reuse_detected", "logins.logged_out"]);
    refresh(&api, &next.refresh).await.refused(401, "logged_out");
    api.post("/tasks").by(&next).json(&titled("x")).send().await.refused(401, "invalid_token");
    // The other device is another family.
    refresh(&api, &phone.refresh).await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn a_refresh_can_be_repeated_with_its_key() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let call = || api.post("/auth/refresh").key("k1").json(&json!({"refresh_token": ada.refresh})).send();
    let (first, again) = (call().await.expect(200), call().await.expect(200));
    assert_eq!(first.body, again.body);
    refresh(&api, Session::of(&again).refresh.as_str()).await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn a_refresh_token_expires_after_thirty_days_without_use() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    api.advance(TimeDelta::days(29));
    let next = Session::of(&refresh(&api, &ada.refresh).await.expect(200));
    api.advance(TimeDelta::days(30));
    refresh(&api, &next.refresh).await.refused(401, "refresh_token_expired");
    api.stop().await;
}

#[tokio::test]
async fn what_is_no_refresh_token_of_ours_is_refused() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let mut forged = ada.refresh.clone();
    let other = if &forged[40..41] == "A" { "B" } else { "A" };
    forged.replace_range(40..41, other);
    for token in ["", "x", "orb_rt_", "orb_rt_\0", &ada.access, &forged] {
        refresh(&api, token).await.refused(401, "invalid_refresh_token");
    }
    refresh(&api, &ada.refresh).await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn logging_out_ends_this_device_and_its_access_token() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let phone = api.login("ada@example.org").await;
    api.task(&ada, titled("One")).await;
    api.post("/auth/logout").by(&ada).send().await.expect(204);
    api.post("/tasks").by(&ada).json(&titled("x")).send().await.refused(401, "invalid_token");
    api.post("/auth/logout").by(&ada).send().await.refused(401, "invalid_token");
    refresh(&api, &ada.refresh).await.refused(401, "logged_out");
    api.task(&phone, titled("Two")).await;
    api.stop().await;
}

#[tokio::test]
async fn logging_out_everywhere_ends_all_devices() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let others = [api.login("ada@example.org").await, api.login("ada@example.org").await];
    let bob = api.register("bob@example.org").await;
    api.post("/auth/logout-all").by(&others[0]).send().await.expect(204);
    for session in others.iter().chain([&ada]) {
        api.post("/tasks").by(session).json(&titled("x")).send().await.refused(401, "invalid_token");
        refresh(&api, &session.refresh).await.refused(401, "logged_out");
    }
    api.task(&bob, titled("One")).await;
    api.login("ada@example.org").await;
    api.stop().await;
}

#[tokio::test]
async fn a_device_can_be_logged_out_from_another() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let phone = api.login("ada@example.org").await;
    let bob = api.register("bob@example.org").await;
    let path = format!("/auth/devices/{}", phone.sid());
    api.delete(&path).by(&bob).send().await.refused(404, "not_found");
    api.delete(&format!("/auth/devices/{}", nobody())).by(&ada).send().await.refused(404, "not_found");
    api.delete(&path).by(&ada).send().await.expect(204);
    api.delete(&path).by(&ada).send().await.expect(204);
    api.post("/tasks").by(&phone).json(&titled("x")).send().await.refused(401, "invalid_token");
    api.stop().await;
}

#[tokio::test]
async fn one_device_too_many_logs_out_the_one_that_was_there_for_longest() {
    let api = Api::new().await;
    let first = api.register("ada@example.org").await;
    let second = api.login("ada@example.org").await;
    // Ninety-eight more would take their time: the facts are the same, the passwords need not be hashed.
    let user: Uuid = first.claims()["sub"].as_str().unwrap().parse().unwrap();
    for n in 0..98_u128 {
        let claim = [user.as_bytes(), Uuid::from_u128(u128::MAX - n).as_bytes()].map(|id| id.to_vec()).concat();
        sqlx::query("INSERT INTO log.claims (scope, key, stream_id) VALUES ('logins.user', $1, $2)")
            .bind(claim)
            .bind(Uuid::from_u128(u128::MAX - n))
            .execute(api.database.pool())
            .await
            .unwrap();
    }
    api.login("ada@example.org").await;
    api.post("/tasks").by(&first).json(&titled("x")).send().await.refused(401, "invalid_token");
    api.task(&second, titled("One")).await;
    api.stop().await;
}

#[tokio::test]
async fn a_login_that_ended_in_another_process_is_noticed_here_soon() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    Call::new(other, axum::http::Method::POST, "/auth/logout").by(&ada).send().await.expect(204);
    // This process has not looked at the login yet: it does so now.
    api.post("/tasks").by(&ada).json(&titled("x")).send().await.refused(401, "invalid_token");
    api.stop().await;
}

#[tokio::test]
async fn forged_and_foreign_tokens_are_refused() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let send = |token: String| api.post("/tasks").bearer(&token).json(&titled("x")).send();
    let claims = ada.claims();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    // `alg: none`, with and without a signature.
    let unsigned = format!("{}.{}.", encode(&json!({"alg": "none", "typ": "JWT"})), encode(&claims));
    send(unsigned.clone()).await.refused(401, "invalid_token");
    send(format!("{unsigned}{}", ada.access.rsplit('.').next().unwrap())).await.refused(401, "invalid_token");
    // A symmetric algorithm, other claims under the old signature, garbage.
    let (header, rest) = ada.access.split_once('.').unwrap();
    let hmac = format!("{}.{rest}", encode(&json!({"alg": "HS256", "typ": "JWT"})));
    send(hmac).await.refused(401, "invalid_token");
    let mut admin = claims.clone();
    admin["sub"] = json!(nobody());
    let signature = ada.access.rsplit('.').next().unwrap();
    send(format!("{header}.{}.{signature}", encode(&admin))).await.refused(401, "invalid_token");
    for garbage in ["", "x", "a.b.c", "orb_pat_", "orb_pat_x"] {
        send(garbage.to_owned()).await.expect(401);
    }
    // Another key, another audience, another issuer: signed as it should be, but not for us.
    let (user, sid): (Uuid, Uuid) = (claims["sub"].as_str().unwrap().parse().unwrap(), ada.sid().parse().unwrap());
    let sign = |auth: AuthArgs| {
        TokenSigner::from_args(&auth, Environment::Development, api.clock.clone()).unwrap().sign(user, sid).token
    };
    let key = Some(Secret::new(generate_signing_key()));
    send(sign(AuthArgs { signing_key: key, ..api.auth.clone() })).await.refused(401, "invalid_token");
    send(sign(AuthArgs { token_audience: "elsewhere".into(), ..api.auth.clone() })).await.refused(401, "invalid_token");
    send(sign(AuthArgs { token_issuer: "somebody".into(), ..api.auth.clone() })).await.refused(401, "invalid_token");
    send(sign(api.auth.clone())).await.expect(201);
    api.stop().await;
}

#[tokio::test]
async fn a_token_in_a_url_is_refused() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let call = api.post(&format!("/tasks?access_token={}", ada.access)).json(&titled("x"));
    call.send().await.refused(400, "token_in_url");
    api.stop().await;
}

#[tokio::test]
async fn a_dry_run_of_a_login_logs_nobody_in() {
    let api = Api::new().await;
    api.register("ada@example.org").await;
    let facts = api.facts().await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    let answer = api.post("/auth/login?dry_run=true").json(&body).send().await.expect(200);
    assert_eq!(answer.body["facts"][0]["type"], "logins.logged_in");
    assert!(answer.body.get("access_token").is_none());
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

/// Sends a body from one address until it is refused for the rate; then once more from another.
async fn limited(api: &Api, path: &str, body: &Value, status: u16) {
    let call = |address: &str| api.post(path).from(address).json(body).send();
    let first = call("10.0.0.1").await.expect(status);
    assert!(first.headers.contains_key("ratelimit"), "{first:?}");
    let second = call("10.0.0.1").await.refused(429, "rate_limited");
    assert!((1..=60).contains(&second.text("retry-after").parse::<u32>().unwrap()), "{second:?}");
    call("10.0.0.2").await.expect(status);
}

#[tokio::test]
async fn an_address_may_register_and_log_in_so_often() {
    let api = Api::limited("1/min", "off").await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    limited(&api, "/auth/login", &body, 401).await;
    api.stop().await;
    let api = Api::limited("1/min", "off").await;
    // What is refused for its form counts too.
    limited(&api, "/auth/register", &json!({}), 400).await;
    api.stop().await;
}

#[tokio::test]
async fn an_address_may_refresh_so_often() {
    let api = Api::limited("1/min", "1/min").await;
    api.post("/auth/login").from("10.0.0.1").json(&json!({})).send().await.expect(400);
    // A limit of its own: who has just logged in can refresh.
    limited(&api, "/auth/refresh", &json!({"refresh_token": "orb_rt_x"}), 401).await;
    api.stop().await;
}
