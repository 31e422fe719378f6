//! Rules of logins, as sentences.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::{
    given::{Given, context, given, now, stream, user},
    laws::{laws, text},
};

/// The hash of the n-th refresh token.
fn token(n: usize) -> Secret {
    Secret::new(format!("{n:064x}"))
}

fn in_30_days() -> DateTime<Utc> {
    now() + TimeDelta::days(30)
}

fn log_in(n: usize) -> Command {
    Command::LogIn {
        refresh_hash: token(n),
        expires_at: in_30_days(),
        device_name: DeviceName::parse("Laptop").ok(),
        user_agent: UserAgent::cut("curl/8"),
        address: "192.0.2.7".parse().ok(),
    }
}

fn logged_in() -> Event {
    LoggedIn {
        refresh_hash: token(1).expose().into(),
        device_name: Some("Laptop".into()),
        user_agent: Some("curl/8".into()),
        address: Some("192.0.2.7".into()),
        expires_at: in_30_days(),
    }
    .into()
}

fn refresh(presented: usize, next: usize) -> Command {
    Command::Refresh { presented: token(presented), next: token(next), expires_at: in_30_days() }
}

fn refreshed(next: usize) -> Event {
    Refreshed { refresh_hash: token(next).expose().into(), expires_at: in_30_days() }.into()
}

fn logged_out(reason: Reason) -> Event {
    LoggedOut { reason }.into()
}

fn log_out() -> Command {
    Command::LogOut { reason: Reason::LoggedOut }
}

fn a_login(since: impl IntoIterator<Item = Event>) -> Given<Login> {
    given(std::iter::once(logged_in()).chain(since))
}

#[test]
fn a_user_logs_in_on_a_device() {
    given::<Login>([]).when(log_in(1)).then([logged_in()]).when(log_in(1)).then_nothing();
    a_login([]).when(log_in(2)).then_rejected(Rejection::Exists);
}

#[test]
fn a_refresh_token_is_exchanged_for_the_next_one() {
    a_login([]).when(refresh(1, 2)).then([refreshed(2)]).when(refresh(2, 3)).then([refreshed(3)]);
}

#[test]
fn a_refresh_token_that_was_used_ends_the_family() {
    let ends = || [RefreshReuseDetected {}.into(), logged_out(Reason::RefreshReuse)];
    let after = a_login([refreshed(2)]).when(refresh(1, 3)).then(ends());
    assert_eq!(after.then_state(), State::LoggedOut(Reason::RefreshReuse));
    a_login([refreshed(2), refreshed(3), refreshed(4)]).when(refresh(2, 5)).then(ends());
}

#[test]
fn after_the_reuse_nobody_refreshes_any_more() {
    a_login([refreshed(2)])
        .when(refresh(1, 3))
        .then([RefreshReuseDetected {}.into(), logged_out(Reason::RefreshReuse)])
        .when(refresh(2, 4))
        .then_rejected(Rejection::LoggedOut);
}

#[test]
fn our_own_refresh_tried_again_is_quiet_and_no_reuse() {
    a_login([refreshed(2)]).when(refresh(1, 2)).then_nothing();
}

#[test]
fn a_token_that_never_was_is_rejected_and_ends_nothing() {
    a_login([]).when(refresh(9, 2)).then_rejected(Rejection::InvalidToken);
    given::<Login>([]).when(refresh(1, 2)).then_rejected(Rejection::InvalidToken);
}

#[test]
fn an_expired_token_is_rejected_from_that_moment_on() {
    let at = |now| Context { now, ..context() };
    let just_before = in_30_days() - TimeDelta::microseconds(1);
    a_login([]).when_in(refresh(1, 2), &at(just_before)).then([refreshed(2)]);
    a_login([]).when_in(refresh(1, 2), &at(in_30_days())).then_rejected(Rejection::TokenExpired);
}

#[test]
fn every_token_of_a_month_is_remembered() {
    let rotations = (2..2 + USED_REMEMBERED).map(refreshed);
    let last = a_login(rotations).when(refresh(1, 9_999));
    last.then([RefreshReuseDetected {}.into(), logged_out(Reason::RefreshReuse)]);
    let rotations = (2..3 + USED_REMEMBERED).map(refreshed);
    a_login(rotations).when(refresh(1, 9_999)).then_rejected(Rejection::InvalidToken);
}

#[test]
fn a_device_is_logged_out_once_and_for_good() {
    a_login([]).when(log_out()).then([logged_out(Reason::LoggedOut)]).when(log_out()).then_nothing();
    let gone = || a_login([logged_out(Reason::PasswordChanged)]);
    gone().when(refresh(1, 2)).then_rejected(Rejection::LoggedOut);
    gone().when(log_in(1)).then_rejected(Rejection::LoggedOut);
    given::<Login>([]).when(log_out()).then_rejected(Rejection::NotFound);
}

#[test]
fn a_login_can_be_found_by_its_user_while_it_is_active() {
    let claim = Claim::ordered("logins.user", &[user().0.as_bytes(), stream().as_bytes()]);
    a_login([refreshed(2)]).then_claims([claim]);
    a_login([logged_out(Reason::LoggedOut)]).then_claims([]);
}

#[test]
fn token_hashes_are_not_printed() {
    let printed = format!("{:?} {:?}", a_login([]).then_state(), refresh(1, 2));
    assert!(!printed.contains("00000001"), "{printed}");
}

fn command() -> impl Strategy<Value = Command> {
    let reason = prop::sample::select(vec![Reason::LoggedOut, Reason::LoggedOutEverywhere, Reason::AccountErased]);
    prop_oneof![
        2 => (0..4_usize).prop_map(log_in),
        6 => (0..6_usize, 0..6_usize).prop_map(|(presented, next)| refresh(presented, next)),
        1 => text().prop_map(|presented| Command::Refresh {
            presented: Secret::new(presented),
            next: token(9),
            expires_at: in_30_days(),
        }),
        1 => reason.prop_map(|reason| Command::LogOut { reason }),
    ]
}

laws!(Login, command(), absent: State::Absent | State::LoggedOut(_));
