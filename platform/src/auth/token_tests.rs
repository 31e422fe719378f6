//! Tests of access tokens: made, verified, forged.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::config::{Secret, generate_signing_key};

fn args(pem: &str, audience: &str) -> AuthArgs {
    AuthArgs {
        signing_key: Some(Secret::new(pem)),
        signing_key_file: None,
        verification_keys: None,
        token_issuer: "orbit".to_owned(),
        token_audience: audience.to_owned(),
        access_token_ttl_s: 900,
        refresh_token_ttl_s: 3600,
        admins: vec![],
    }
}

fn clock() -> Clock {
    Clock::fixed("2026-11-22T20:28:00Z".parse().unwrap())
}

fn pair(pem: &str, clock: &Clock) -> (TokenSigner, TokenVerifier) {
    let args = args(pem, "orbit-api");
    let signer = TokenSigner::from_args(&args, Environment::Development, clock.clone()).unwrap();
    (signer, TokenVerifier::from_args(&args, Environment::Development, clock.clone()).unwrap())
}

fn part(value: &serde_json::Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

const USER: Uuid = Uuid::from_u128(1);
const LOGIN: Uuid = Uuid::from_u128(2);

#[test]
fn a_token_says_who_calls_until_it_expires() {
    let clock = clock();
    let (signer, verifier) = pair(&generate_signing_key(), &clock);
    let token = signer.sign(USER, LOGIN);
    assert_eq!(token.expires_in, 900);
    let expires_at = clock.now() + TimeDelta::seconds(900);
    assert_eq!(verifier.verify(&token.token).unwrap(), Caller::session(USER, LOGIN).until(expires_at));
    clock.advance(TimeDelta::seconds(900 + LEEWAY_S));
    assert_eq!(verifier.verify(&token.token), Err(Refusal::Expired));
    clock.advance(TimeDelta::seconds(-2_000));
    assert_eq!(verifier.verify(&token.token), Err(Refusal::NotYet));
}

#[test]
fn forged_tokens_are_refused() {
    let clock = clock();
    let (signer, verifier) = pair(&generate_signing_key(), &clock);
    let (stranger, _) = pair(&generate_signing_key(), &clock);
    let token = signer.sign(USER, LOGIN).token;
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(verifier.verify(&stranger.sign(USER, LOGIN).token), Err(Refusal::UnknownKey));

    // Another's signature under our key's name.
    let other = stranger.sign(USER, LOGIN).token;
    let other: Vec<&str> = other.split('.').collect();
    assert_eq!(verifier.verify(&[parts[0], other[1], other[2]].join(".")), Err(Refusal::BadSignature));

    for algorithm in ["none", "None", "HS256"] {
        let header = part(&json!({ "alg": algorithm, "typ": "JWT", "kid": signer.kid }));
        for signature in ["", parts[2]] {
            let forged = [header.as_str(), parts[1], signature].join(".");
            assert_eq!(verifier.verify(&forged), Err(Refusal::Malformed), "{algorithm}");
        }
    }
    for garbage in ["", ".", "..", "a.b.c", &"x".repeat(10_000), &parts[..2].join(".")] {
        assert_eq!(verifier.verify(garbage), Err(Refusal::Malformed));
    }
}

#[test]
fn a_verifier_that_remembers_still_looks_at_the_time_and_believes_nobody_else() {
    let clock = clock();
    let (signer, verifier) = pair(&generate_signing_key(), &clock);
    let verifier = verifier.remembering(2);
    let token = signer.sign(USER, LOGIN).token;
    let expires_at = clock.now() + TimeDelta::seconds(900);
    for _ in 0..3 {
        assert_eq!(verifier.verify(&token), Ok(Caller::session(USER, LOGIN).until(expires_at)));
    }
    let mut forged = token.clone();
    forged.pop();
    for other in [forged.as_str(), &format!("{token} "), &format!("{token}A"), "a.b.c"] {
        assert!(verifier.verify(other).is_err(), "{other}");
        assert!(verifier.verify(other).is_err(), "a refusal is not remembered as anything else");
    }
    clock.advance(TimeDelta::seconds(900 + LEEWAY_S));
    assert_eq!(verifier.verify(&token), Err(Refusal::Expired));
    clock.advance(TimeDelta::seconds(-2_000));
    assert_eq!(verifier.verify(&token), Err(Refusal::NotYet));
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let (clock, pem) = (clock(), generate_signing_key());
    let (_, verifier) = pair(&pem, &clock);
    let signer = TokenSigner::from_args(&args(&pem, "another-api"), Environment::Development, clock.clone()).unwrap();
    assert_eq!(verifier.verify(&signer.sign(USER, LOGIN).token), Err(Refusal::WrongAudience));
    let mut elsewhere = args(&pem, "orbit-api");
    elsewhere.token_issuer = "somebody".to_owned();
    let signer = TokenSigner::from_args(&elsewhere, Environment::Development, clock).unwrap();
    assert_eq!(verifier.verify(&signer.sign(USER, LOGIN).token), Err(Refusal::WrongIssuer));
}

#[test]
fn a_process_that_only_verifies_needs_only_the_public_key() {
    let clock = clock();
    let (signer, verifier) = pair(&generate_signing_key(), &clock);
    let jwks = verifier.jwks().to_json();
    assert_eq!(jwks["keys"][0]["kid"], json!(signer.kid));
    assert_eq!(
        (&jwks["keys"][0]["kty"], &jwks["keys"][0]["alg"], &jwks["keys"][0]["use"]),
        (&json!("OKP"), &json!("EdDSA"), &json!("sig"))
    );
    assert!(jwks["keys"][0].get("d").is_none());

    let x = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
    let der = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], &x].concat();
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let mut settings = args("", "orbit-api");
    settings.verification_keys = Some(format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"));
    let verifier = TokenVerifier::from_args(&settings, Environment::Production, clock.clone()).unwrap();
    assert!(verifier.verify(&signer.sign(USER, LOGIN).token).is_ok());
    assert!(TokenSigner::from_args(&settings, Environment::Development, clock).is_err());
}

#[test]
fn wrong_keys_are_one_clear_sentence() {
    let verifier =
        |args: &AuthArgs, environment| TokenVerifier::from_args(args, environment, clock()).unwrap_err().to_string();
    let development = Environment::Development;
    assert!(verifier(&args("not a key", "a"), development).starts_with("ORBIT_SIGNING_KEY is not"));
    assert!(verifier(&args("", "a"), development).starts_with("neither ORBIT_SIGNING_KEY"));
    let mut garbled = args("", "a");
    garbled.verification_keys = Some("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----".to_owned());
    assert!(verifier(&garbled, development).starts_with("ORBIT_VERIFICATION_KEYS holds"));
    let generated = verifier(&args(&generate_signing_key(), "a"), Environment::Production);
    assert!(generated.contains("generated for development"), "{generated}");
}
