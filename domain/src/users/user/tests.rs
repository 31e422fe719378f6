//! Rules of accounts, as sentences.

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    given::{Given, context, given, now, stream, user},
    laws::{laws, parsed, text},
};

fn email() -> Email {
    Email::parse("Ada@example.org").unwrap()
}

fn name(name: &str) -> Name {
    Name::parse(name).unwrap()
}

fn hash(hash: &str) -> Secret {
    Secret::new(hash)
}

fn register() -> Command {
    let profile = Box::new(Profile::new(name("Ada")));
    Command::Register { email: email(), password_hash: hash("$argon2id$1"), profile }
}

fn profile() -> users::Profile {
    users::Profile {
        name: "Ada".into(),
        avatar_url: None,
        time_zone: "UTC".into(),
        locale: "en".into(),
        working_hours: vec![],
    }
}

fn registered() -> Event {
    Registered { email: "Ada@example.org".into(), password_hash: "$argon2id$1".into(), profile: profile() }.into()
}

fn a_user() -> Given<User> {
    given([registered()])
}

fn edit(edit: Edit) -> Command {
    Command::Edit(Box::new(edit))
}

fn prefer(patch: Value) -> Command {
    edit(Edit { preferences: Some(PreferencesPatch::parse(patch).unwrap()), ..Edit::default() })
}

fn preferring(preferences: Value) -> Event {
    PreferencesChanged { preferences }.into()
}

#[test]
fn what_is_known_of_an_account_is_not_its_password() {
    let fields = User::fields(&a_user().then_state());
    assert_eq!(fields["email"], json!("Ada@example.org"));
    assert!(!json!(fields).to_string().contains("argon2id"), "{fields:?}");
}

#[test]
fn somebody_registers_once() {
    given::<User>([])
        .when(register())
        .then([registered()])
        .when(register())
        .then_rejected(Rejection::AlreadyRegistered);
}

#[test]
fn a_profile_changes_as_a_whole_and_only_if_it_changes() {
    let zone = TimeZone::parse("Europe/Berlin").unwrap();
    let change = Edit { name: Some(name("Countess")), time_zone: Some(zone), ..Edit::default() };
    let changed = users::Profile { name: "Countess".into(), time_zone: "Europe/Berlin".into(), ..profile() };
    a_user()
        .when(edit(change.clone()))
        .then([ProfileChanged { profile: changed }.into()])
        .when(edit(change))
        .then_nothing();
}

#[test]
fn an_avatar_can_be_set_and_cleared() {
    let url = AvatarUrl::parse("https://example.org/a.png").unwrap();
    let with = users::Profile { avatar_url: Some(url.as_str().into()), ..profile() };
    a_user()
        .when(edit(Edit { avatar_url: Some(Some(url)), ..Edit::default() }))
        .then([ProfileChanged { profile: with }.into()])
        .when(edit(Edit { avatar_url: Some(None), ..Edit::default() }))
        .then([ProfileChanged { profile: profile() }.into()]);
}

#[test]
fn preferences_are_patched_and_told_whole() {
    a_user()
        .when(prefer(json!({"theme": "dark", "board": {"zoom": 2}})))
        .then([preferring(json!({"theme": "dark", "board": {"zoom": 2}}))])
        .when(prefer(json!({"board": {"zoom": null, "wide": true}})))
        .then([preferring(json!({"theme": "dark", "board": {"wide": true}}))])
        .when(prefer(json!({"theme": "dark"})))
        .then_nothing()
        .when(prefer(Value::Null))
        .then([preferring(json!({}))]);
}

#[test]
fn preferences_do_not_grow_without_end() {
    let half = "x".repeat(40_000);
    a_user()
        .when(prefer(json!({ "a": half })))
        .then([preferring(json!({ "a": half }))])
        .when(prefer(json!({ "b": half })))
        .then_rejected(Rejection::PreferencesTooLong);
}

#[test]
fn a_password_is_changed() {
    let change = |to: &str| Command::ChangePassword { password_hash: hash(to) };
    a_user()
        .when(change("$argon2id$2"))
        .then([PasswordChanged { password_hash: "$argon2id$2".into() }.into()])
        .when(change("$argon2id$2"))
        .then_nothing();
}

#[test]
fn an_erased_user_takes_no_more_commands() {
    let change = Command::ChangePassword { password_hash: hash("$argon2id$2") };
    let request = Command::RequestErasure { due_at: now() };
    for command in [register(), change, request, Command::CancelErasure, edit(Edit::default())] {
        given::<User>([registered(), Erased {}.into()]).when(command).then_rejected(Rejection::Erased);
    }
}

fn requested() -> Event {
    ErasureRequested { due_at: now() }.into()
}

#[test]
fn an_erasure_is_asked_for_once_and_can_be_taken_back() {
    let later = now() + TimeDelta::days(7);
    a_user()
        .when(Command::CancelErasure)
        .then_nothing()
        .when(Command::RequestErasure { due_at: later })
        .then([ErasureRequested { due_at: later }.into()])
        .when(Command::RequestErasure { due_at: later + TimeDelta::days(1) })
        .then_nothing()
        .when(Command::CancelErasure)
        .then([ErasureCancelled {}.into()])
        .when(Command::CancelErasure)
        .then_nothing();
}

#[test]
fn a_user_is_forgotten_when_the_grace_is_over_and_not_before() {
    let early = Context { now: now() - TimeDelta::microseconds(1), ..context() };
    given::<User>([registered(), requested()]).when_in(Command::Erase, &early).then_rejected(Rejection::ErasureNotDue);
    given::<User>([registered(), requested()])
        .when(Command::Erase)
        .then([Erased {}.into()])
        .when(Command::Erase)
        .then_nothing();
}

#[test]
fn nobody_is_forgotten_who_did_not_ask_or_changed_their_mind() {
    a_user().when(Command::Erase).then_rejected(Rejection::ErasureNotDue);
    let cancelled = given::<User>([registered(), requested(), ErasureCancelled {}.into()]);
    cancelled.when(Command::Erase).then_rejected(Rejection::ErasureNotDue);
}

#[test]
fn an_erasure_holds_its_place_in_time_until_it_is_taken_back() {
    let due = Claim::ordered("users.erasure_due", &[&erasure_key(now()), stream().as_bytes()]);
    let email = email_claim(&email());
    given::<User>([registered(), requested()]).then_claims([email.clone(), due]);
    given::<User>([registered(), requested(), ErasureCancelled {}.into()]).then_claims([email]);
    assert!(erasure_key(now()) < erasure_key(now() + TimeDelta::microseconds(1)));
}

#[test]
fn a_user_who_never_was_is_not_found() {
    let change = Command::ChangePassword { password_hash: hash("$argon2id$2") };
    for command in [change, edit(Edit::default()), Command::RequestErasure { due_at: now() }, Command::Erase] {
        given::<User>([]).when(command).then_rejected(Rejection::NotFound);
    }
}

#[test]
fn an_account_holds_its_address_without_regard_to_case_until_it_is_erased() {
    a_user().then_claims([email_claim(&Email::parse("ADA@EXAMPLE.ORG").unwrap())]);
    given::<User>([registered(), Erased {}.into()]).then_claims([]);
    let stored = User::claims(&a_user().then_state(), Uuid::nil(), user());
    assert_eq!(stored, [Claim::hashed("users.email", &[b"ada@example.org"])]);
}

#[test]
fn a_password_hash_is_not_printed() {
    let printed = format!("{:?} {:?}", a_user().then_state(), register());
    assert!(!printed.contains("argon2id"), "{printed}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-c]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let patch = any_json().prop_map(|patch| PreferencesPatch::parse(patch).ok());
    let avatar = prop::sample::select(vec![None, Some(None), AvatarUrl::parse("https://a.org").ok().map(Some)]);
    (prop::option::of(parsed(Name::parse)), avatar, patch).prop_map(|(name, avatar_url, preferences)| Edit {
        name,
        avatar_url,
        preferences,
        ..Edit::default()
    })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => (text(), parsed(Name::parse)).prop_map(|(hash, name)| Command::Register {
            email: email(),
            password_hash: Secret::new(hash),
            profile: Box::new(Profile::new(name)),
        }),
        6 => any_edit().prop_map(|edit| Command::Edit(Box::new(edit))),
        2 => text().prop_map(|hash| Command::ChangePassword { password_hash: Secret::new(hash) }),
        2 => (0..3_i64).prop_map(|minutes| Command::RequestErasure { due_at: now() + TimeDelta::minutes(minutes) }),
        1 => Just(Command::CancelErasure),
        1 => Just(Command::Erase),
    ]
}

/// The command that undo makes of these fields.
fn set_back(fields: &Fields) -> Command {
    Command::SetBack(Box::new(Earlier::from_fields(fields).unwrap()))
}

laws!(User, command(), absent: State::Absent | State::Erased, set_back: set_back);
