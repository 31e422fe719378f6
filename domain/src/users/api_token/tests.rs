//! Rules of API tokens, as sentences.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::{
    given::{given, now, stream, user},
    laws::{laws, parsed, text},
};

fn issue(secret: &str, expires_at: Option<DateTime<Utc>>) -> Command {
    Command::Issue {
        name: TokenName::parse("Backup").unwrap(),
        secret_hash: Secret::new(secret),
        scopes: Scopes::parse(&["tasks:read"]).unwrap(),
        expires_at,
    }
}

fn issued(expires_at: Option<DateTime<Utc>>) -> Event {
    Issued { name: "Backup".into(), secret_hash: "one".into(), scopes: vec!["tasks:read".into()], expires_at }.into()
}

#[test]
fn a_token_is_issued_once() {
    given::<ApiToken>([])
        .when(issue("one", None))
        .then([issued(None)])
        .when(issue("one", None))
        .then_nothing()
        .when(issue("two", None))
        .then_rejected(Rejection::Exists);
}

#[test]
fn a_token_expires_in_the_future() {
    let soon = now() + TimeDelta::microseconds(1);
    given::<ApiToken>([]).when(issue("one", Some(soon))).then([issued(Some(soon))]);
    given::<ApiToken>([]).when(issue("one", Some(now()))).then_rejected(Rejection::ExpiresInPast);
}

#[test]
fn a_token_works_until_it_expires_or_is_revoked() {
    let end = now() + TimeDelta::hours(1);
    let token = given::<ApiToken>([issued(Some(end))]).then_state();
    assert!(token.usable(now()).is_some());
    assert!(token.usable(end).is_none());
    assert!(given::<ApiToken>([issued(None)]).then_state().usable(end).is_some());
    assert!(given::<ApiToken>([issued(None), Revoked {}.into()]).then_state().usable(now()).is_none());
}

#[test]
fn a_token_is_revoked_once_and_for_good() {
    given::<ApiToken>([issued(None)])
        .when(Command::Revoke)
        .then([Revoked {}.into()])
        .when(Command::Revoke)
        .then_nothing()
        .when(issue("one", None))
        .then_rejected(Rejection::Revoked);
    given::<ApiToken>([]).when(Command::Revoke).then_rejected(Rejection::NotFound);
}

#[test]
fn a_token_can_be_found_by_its_user_until_it_is_revoked() {
    let claim = Claim::ordered("api_tokens.user", &[user().0.as_bytes(), stream().as_bytes()]);
    given::<ApiToken>([issued(None)]).then_claims([claim]);
    given::<ApiToken>([issued(None), Revoked {}.into()]).then_claims([]);
}

fn command() -> impl Strategy<Value = Command> {
    let ends = prop::option::of((-9..9_i64).prop_map(|minutes| now() + TimeDelta::minutes(minutes)));
    prop_oneof![
        4 => (parsed(TokenName::parse), text(), ends).prop_map(|(name, secret, expires_at)| Command::Issue {
            name,
            secret_hash: Secret::new(secret),
            scopes: Scopes::parse(&["admin"]).unwrap(),
            expires_at,
        }),
        1 => Just(Command::Revoke),
    ]
}

laws!(ApiToken, command(), absent: State::Absent | State::Revoked);
