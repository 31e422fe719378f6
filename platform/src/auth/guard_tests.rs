//! Tests of the guard, over a router.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
use chrono::TimeDelta;
use tower::ServiceExt;
use uuid::Uuid;

use super::{super::strangers::FAILURES, *};
use crate::{
    auth::{Scopes, TokenSigner},
    clock::Clock,
    config::{AuthArgs, Environment, Rate, Secret, generate_signing_key},
};

const USER: Uuid = Uuid::from_u128(1);

/// Counts how often it is asked.
#[derive(Clone, Default)]
struct TwoTokens(Arc<AtomicU32>);

impl ApiTokens for TwoTokens {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller, ApiError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match token {
                "orb_pat_good" | "orb_pat_fine" => {
                    Ok(Caller::api(USER, Uuid::from_u128(3), Scopes::only(["tasks:read"])))
                }
                "orb_pat_away" => Err(ApiError::unavailable("the database")),
                _ => Err(ApiError::invalid_token()),
            }
        })
    }
}

struct Fixture {
    app: Router,
    clock: Clock,
    signer: TokenSigner,
    api_tokens: TwoTokens,
}

fn fixture(rate: &str) -> Fixture {
    let args = AuthArgs {
        signing_key: Some(Secret::new(generate_signing_key())),
        signing_key_file: None,
        verification_keys: None,
        token_issuer: "orbit".to_owned(),
        token_audience: "orbit-api".to_owned(),
        access_token_ttl_s: 900,
        refresh_token_ttl_s: 3600,
        admins: vec![],
    };
    let clock = Clock::fixed("2026-11-22T20:28:00Z".parse().unwrap());
    let signer = TokenSigner::from_args(&args, Environment::Development, clock.clone()).unwrap();
    let verifier = TokenVerifier::from_args(&args, Environment::Development, clock.clone()).unwrap();
    let limiter = RateLimiter::new("user", rate.parse::<Rate>().unwrap());
    let api_tokens = TwoTokens::default();
    let guard = Guard::with_api_tokens(verifier, limiter, Arc::new(api_tokens.clone()));
    let app = Router::new()
        .route("/me", get(|caller: Caller| async move { caller.user_id.to_string() }))
        .route("/write", get(|caller: Caller| async move { caller.require("tasks:write") }))
        .route_layer(from_fn_with_state(guard, super::guard))
        .route("/open", get(|_: Caller| async {}));
    Fixture { app, clock, signer, api_tokens }
}

impl Fixture {
    async fn get(&self, path: &str, authorization: Option<&str>) -> (u16, Response) {
        let mut request = Request::get(path);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let response = self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        (response.status().as_u16(), response)
    }

    /// The status that an API token meets from an address.
    async fn from(&self, address: &str, token: &str) -> u16 {
        let request = Request::get("/me").header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = request.extension(ClientAddress(address.parse().unwrap())).body(Body::empty()).unwrap();
        self.app.clone().oneshot(request).await.unwrap().status().as_u16()
    }

    async fn challenge(&self, authorization: Option<&str>) -> (u16, String) {
        let (status, response) = self.get("/me", authorization).await;
        (status, response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned())
    }

    fn token(&self) -> String {
        format!("Bearer {}", self.signer.sign(USER, Uuid::from_u128(2)).token)
    }
}

#[tokio::test]
async fn only_a_valid_token_gets_through() {
    let fixture = fixture("off");
    let token = fixture.token();
    assert_eq!(fixture.get("/me", Some(&token)).await.0, 200);
    assert_eq!(fixture.get("/me", Some(&token.replace("Bearer", "bearer"))).await.0, 200);
    assert_eq!(fixture.challenge(None).await, (401, "Bearer realm=\"orbit\"".to_owned()));
    assert_eq!(fixture.challenge(Some("Basic b3JiaXQ6eA==")).await.0, 401);
    let invalid = "Bearer realm=\"orbit\", error=\"invalid_token\"".to_owned();
    assert_eq!(fixture.challenge(Some("Bearer x")).await, (401, invalid.clone()));
    fixture.clock.advance(TimeDelta::hours(1));
    assert_eq!(fixture.challenge(Some(&token)).await, (401, invalid));
    assert_eq!(fixture.get("/open", Some(&token)).await.0, 401, "a route outside the guard knows no caller");
}

#[tokio::test]
async fn api_tokens_are_asked_about_and_held_to_their_scopes() {
    let fixture = fixture("off");
    assert_eq!(fixture.get("/me", Some("Bearer orb_pat_good")).await.0, 200);
    assert_eq!(fixture.get("/write", Some("Bearer orb_pat_good")).await.0, 403);
    assert_eq!(fixture.get("/me", Some("Bearer orb_pat_bad")).await.0, 401);
}

#[tokio::test]
async fn a_token_in_the_url_is_refused_even_if_another_is_sent_well() {
    let fixture = fixture("off");
    let token = fixture.token();
    assert_eq!(fixture.get("/me?access_token=x", Some(&token)).await.0, 400);
    assert_eq!(fixture.get("/me?a=1&token=x", None).await.0, 400);
}

#[tokio::test]
async fn a_user_who_calls_too_often_waits() {
    let fixture = fixture("2/min");
    let token = fixture.token();
    let (status, response) = fixture.get("/me", Some(&token)).await;
    assert_eq!(status, 200);
    assert_eq!(response.headers()["ratelimit-policy"], "\"user\";q=2;w=60");
    assert_eq!(response.headers()["ratelimit"], "\"user\";r=1;t=30");
    assert_eq!(fixture.get("/me", Some(&token)).await.0, 200);
    let (status, response) = fixture.get("/me", Some(&token)).await;
    assert_eq!(status, 429);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.headers()["ratelimit"], "\"user\";r=0;t=60");
}

#[tokio::test]
async fn an_address_that_sends_one_unknown_api_token_after_the_other_is_not_looked_up_any_more() {
    let fixture = fixture("off");
    let (address, other) = ("10.0.0.1", "10.0.0.2");
    assert_eq!(fixture.from(address, "orb_pat_good").await, 200);
    for n in 0..FAILURES {
        assert_eq!(fixture.from(address, "orb_pat_away").await, 503, "which is not counted");
        assert_eq!(fixture.from(address, &format!("orb_pat_{n}")).await, 401);
    }
    let asked = fixture.api_tokens.0.load(Ordering::Relaxed);
    for _ in 0..10 {
        assert_eq!(fixture.from(address, "orb_pat_guess").await, 429);
    }
    assert_eq!(fixture.api_tokens.0.load(Ordering::Relaxed), asked, "nobody was asked");
    assert_eq!(fixture.from(address, "orb_pat_good").await, 200, "it was right before");
    assert_eq!(fixture.from(address, "orb_pat_fine").await, 429, "it may be as unknown as the others");
    assert_eq!(fixture.from(other, "orb_pat_fine").await, 200);
    assert_eq!(fixture.from(other, "orb_pat_guess").await, 401);
}

#[tokio::test]
async fn good_api_tokens_are_not_counted() {
    let fixture = fixture("off");
    for _ in 0..3 * FAILURES {
        assert_eq!(fixture.from("10.0.0.1", "orb_pat_good").await, 200);
    }
    assert_eq!(fixture.from("10.0.0.1", "orb_pat_guess").await, 401);
}
