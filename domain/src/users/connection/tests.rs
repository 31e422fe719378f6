//! Rules of connections, as sentences.

use orbit_events::{ConnectionId, users::connection::Security};
use proptest::prelude::*;

use super::*;
use crate::{
    given::{Given, given, stream, user},
    laws::{laws, text},
};

const HOST: &str = "imap.example.org";

fn mailbox() -> Account {
    Account::parse(Peer::Imap, "Work", HOST, Some(993), Some("ada"), Some("app-password"), Mail::default()).unwrap()
}

fn settings() -> Settings {
    Settings {
        name: "Work".into(),
        endpoint: HOST.into(),
        port: Some(993),
        username: Some("ada".into()),
        secret: Some("app-password".into()),
        security: None,
        address: None,
        display_name: None,
        imap_connection_id: None,
        saves_sent: None,
    }
}

fn connect() -> Command {
    Command::Connect(Box::new(mailbox()))
}

fn connected() -> Event {
    Connected { kind: Peer::Imap, settings: settings() }.into()
}

fn a_connection(since: impl IntoIterator<Item = Event>) -> Given<Connection> {
    given(std::iter::once(connected()).chain(since))
}

fn endpoint(endpoint: &str) -> Command {
    Command::ChangeSettings(Box::new(Edit::parse(None, Some(endpoint), None, None, None, MailEdit::default()).unwrap()))
}

fn progress(cursor: &str) -> Command {
    Command::ProgressSync { cursor: cursor.into(), items: 3 }
}

fn progressed(cursor: &str) -> Event {
    SyncProgressed { cursor: cursor.into(), items: 3 }.into()
}

fn fail() -> Command {
    Command::FailSync { code: "unreachable".into(), detail: "No answer.".into() }
}

fn failed() -> Event {
    SyncFailed { code: "unreachable".into(), detail: "No answer.".into() }.into()
}

#[test]
fn an_account_is_connected_once() {
    given::<Connection>([]).when(connect()).then([connected()]).when(connect()).then_nothing();
    let other = Account::parse(Peer::Smtp, "Work", HOST, None, None, None, Mail::default()).unwrap();
    a_connection([]).when(Command::Connect(Box::new(other))).then_rejected(Rejection::Exists);
}

#[test]
fn what_is_known_of_a_connection_tells_that_there_is_a_secret_and_not_which() {
    let fields = Connection::fields(&a_connection([failed()]).then_state());
    assert_eq!(fields["has_secret"], json!(true));
    assert_eq!(fields["failure"], json!({ "code": "unreachable", "detail": "No answer." }));
    assert!(!json!(fields).to_string().contains("app-password"), "{fields:?}");
}

#[test]
fn settings_change_as_a_whole_and_only_if_they_change() {
    let edit = Edit::parse(Some("Home"), None, Some(None), Some(Some("eva")), Some(None), MailEdit::default()).unwrap();
    let changed =
        Settings { name: "Home".into(), port: None, username: Some("eva".into()), secret: None, ..settings() };
    a_connection([])
        .when(Command::ChangeSettings(Box::new(edit.clone())))
        .then([SettingsChanged { settings: changed }.into()])
        .when(Command::ChangeSettings(Box::new(edit)))
        .then_nothing()
        .when(Command::ChangeSettings(Box::default()))
        .then_nothing();
}

#[test]
fn an_endpoint_has_to_fit_what_is_at_the_other_end() {
    a_connection([]).when(endpoint("https://example.org/")).then_rejected(Rejection::NoHost);
    a_connection([]).when(endpoint(HOST)).then_nothing();
}

#[test]
fn a_secret_is_shown_to_no_other_server_than_the_one_it_was_given_for() {
    const OTHER: &str = "mail.example.org";
    let other = |secret| {
        let edit = Edit::parse(None, Some(OTHER), None, None, secret, MailEdit::default()).unwrap();
        Command::ChangeSettings(Box::new(edit))
    };
    let changed = |secret: Option<&str>| {
        let settings = Settings { endpoint: OTHER.into(), secret: secret.map(str::to_owned), ..settings() };
        SettingsChanged { settings }.into()
    };
    a_connection([]).when(other(None)).then_rejected(Rejection::SecretOfAnother);
    a_connection([]).when(other(Some(Some("another")))).then([changed(Some("another"))]);
    a_connection([])
        .when(other(Some(None)))
        .then([changed(None)])
        .when(endpoint(HOST))
        .then([SettingsChanged { settings: Settings { secret: None, ..settings() } }.into()]);
}

#[test]
fn every_faulty_setting_is_named() {
    let refused =
        Account::parse(Peer::Caldav, "", "http://x.org", Some(0), Some("a\nb"), Some(""), Mail::default()).unwrap_err();
    let named: Vec<_> = refused.into_iter().map(|(field, invalid)| (field, invalid.code)).collect();
    assert_eq!(
        named,
        [
            ("name", "empty"),
            ("endpoint", "invalid_url"),
            ("port", "out_of_range"),
            ("username", "control_character"),
            ("secret", "empty"),
        ]
    );
    let refused =
        Edit::parse(Some(""), None, Some(Some(0)), Some(Some("")), Some(Some("\0")), MailEdit::default()).unwrap_err();
    assert_eq!(refused.iter().map(|(field, _)| *field).collect::<Vec<_>>(), ["name", "port", "username", "secret"]);
    assert_eq!(parse_kind("pop3").unwrap_err().detail, "must be one of imap, smtp, caldav, n8n");
}

#[test]
fn n8n_may_live_in_the_same_house_and_a_calendar_may_not() {
    let parse = |kind| Account::parse(kind, "x", "http://localhost:5678", None, None, None, Mail::default());
    assert!(parse(Peer::N8n).is_ok());
    assert!(parse(Peer::Caldav).is_err());
}

#[test]
fn synchronisation_progresses_and_fails_and_recovers() {
    a_connection([])
        .when(progress("1"))
        .then([progressed("1")])
        .when(progress("1"))
        .then_nothing()
        .when(fail())
        .then([failed()])
        .when(fail())
        .then_nothing()
        .when(progress("1"))
        .then([progressed("1")]);
    let state = a_connection([failed(), progressed("2")]).then_state();
    let connection = state.present().unwrap();
    assert_eq!((connection.cursor.as_deref(), &connection.failure), (Some("2"), &None));
}

#[test]
fn an_account_is_disconnected_once_and_then_takes_no_more_commands() {
    a_connection([]).when(Command::Disconnect).then([Disconnected {}.into()]).when(Command::Disconnect).then_nothing();
    for command in [connect(), endpoint("x.org"), progress("1"), fail()] {
        a_connection([Disconnected {}.into()]).when(command).then_rejected(Rejection::Disconnected);
    }
}

#[test]
fn a_connection_that_never_was_is_not_found() {
    for command in [endpoint("x.org"), progress("1"), fail(), Command::Disconnect] {
        given::<Connection>([]).when(command).then_rejected(Rejection::NotFound);
    }
}

#[test]
fn a_connection_can_be_found_by_its_user_until_it_is_disconnected() {
    let claim = Claim::ordered("connections.user", &[user().0.as_bytes(), stream().as_bytes()]);
    a_connection([]).then_claims([claim]);
    a_connection([Disconnected {}.into()]).then_claims([]);
}

#[test]
fn a_secret_is_not_printed() {
    let printed = format!("{:?} {:?} {:?}", a_connection([]).then_state(), connect(), connected());
    assert!(!printed.contains("app-password"), "{printed}");
}

#[test]
fn what_only_mail_needs_is_read_and_changed_like_the_rest() {
    let partner = ConnectionId(Uuid::from_u128(7));
    let mail = Mail {
        security: Some("starttls"),
        address: Some("ada@example.org"),
        display_name: Some("Ada"),
        imap_connection_id: Some(partner),
        saves_sent: Some(true),
    };
    let account = Account::parse(Peer::Smtp, "Work", HOST, Some(587), None, None, mail).unwrap();
    let edit = MailEdit { security: Some(None), display_name: Some(Some("Ada L.")), ..MailEdit::default() };
    let edit = Edit::parse(None, None, None, None, None, edit).unwrap();
    let connected = account.clone().into_fact();
    let settings = Settings { security: None, display_name: Some("Ada L.".into()), ..connected.settings.clone() };
    assert_eq!(connected.settings.imap_connection_id, Some(partner));
    given::<Connection>([])
        .when(Command::Connect(Box::new(account)))
        .then([connected.into()])
        .when(Command::ChangeSettings(Box::new(edit)))
        .then([SettingsChanged { settings }.into()]);
}

#[test]
fn what_is_wrong_with_what_only_mail_needs_is_told_by_field() {
    let mail = Mail { security: Some("ssl"), address: Some("ada"), display_name: Some(""), ..Mail::default() };
    let refused = Account::parse(Peer::Smtp, "Work", HOST, None, None, None, mail).unwrap_err();
    let told: Vec<_> = refused.iter().map(|(field, invalid)| (*field, invalid.code)).collect();
    let expected = [("security", "unknown_value"), ("address", "invalid_email"), ("display_name", "empty")];
    assert_eq!(told, expected);
    let edit = MailEdit { security: Some(Some("ssl")), address: Some(Some("ada")), ..MailEdit::default() };
    let refused = Edit::parse(None, None, None, None, None, edit).unwrap_err();
    let told: Vec<_> = refused.iter().map(|(field, invalid)| (*field, invalid.code)).collect();
    assert_eq!(told, expected[..2]);
}

#[test]
fn the_way_there_is_kept_as_is_usual_at_the_port() {
    let at = |port, security| Settings { port, security, ..settings() }.security();
    for (port, security) in [
        (Some(993), Security::Tls),
        (Some(465), Security::Tls),
        (Some(143), Security::Starttls),
        (Some(587), Security::Starttls),
        (Some(2525), Security::Tls),
        (None, Security::Tls),
    ] {
        assert_eq!(at(port, None), security, "{port:?}");
    }
    assert_eq!(at(Some(993), Some(Security::Plain)), Security::Plain);
}

#[test]
fn a_mail_server_is_at_its_usual_port_unless_another_is_set() {
    let port = |kind, security| Settings { port: None, security: Some(security), ..settings() }.port(kind);
    for (kind, security, usual) in [
        (Peer::Imap, Security::Tls, 993),
        (Peer::Imap, Security::Starttls, 143),
        (Peer::Smtp, Security::Tls, 465),
        (Peer::Smtp, Security::Starttls, 587),
        (Peer::Smtp, Security::Plain, 25),
    ] {
        assert_eq!(port(kind, security), usual, "{kind:?} {security:?}");
    }
    assert_eq!(Settings { port: Some(2525), ..settings() }.port(Peer::Smtp), 2525);
}

fn command() -> impl Strategy<Value = Command> {
    let account = (text(), text(), text()).prop_filter_map("no account", |(name, username, secret)| {
        Account::parse(Peer::Imap, &name, HOST, None, Some(&username), Some(&secret), Mail::default()).ok()
    });
    let edit = (text(), text(), any::<Option<u16>>()).prop_filter_map("no edit", |(name, endpoint, port)| {
        Edit::parse(Some(&name), Some(&endpoint), Some(port), None, Some(None), MailEdit::default()).ok()
    });
    prop_oneof![
        2 => account.prop_map(|account| Command::Connect(Box::new(account))),
        3 => edit.prop_map(|edit| Command::ChangeSettings(Box::new(edit))),
        2 => text().prop_map(|cursor| Command::ProgressSync { cursor, items: 0 }),
        2 => (text(), text()).prop_map(|(code, detail)| Command::FailSync { code, detail }),
        1 => Just(Command::Disconnect),
    ]
}

laws!(Connection, command(), absent: State::Absent | State::Disconnected);
