//! How to reach an account elsewhere.

use orbit_events::{
    ConnectionId,
    users::connection::{Connected, Kind, Security, Settings},
};

use super::Rejection;
use crate::{
    Invalid, Secret, Text,
    users::{
        ConnectionName, Email, Name,
        values::{https, is_host},
    },
    values::{one_of, refuse_nul},
};

/// Every kind of connection by its name.
pub const KINDS: [(&str, Kind); 4] =
    [("imap", Kind::Imap), ("smtp", Kind::Smtp), ("caldav", Kind::Caldav), ("n8n", Kind::N8n)];

/// Most bytes of an endpoint.
const MAX_ENDPOINT: usize = 2_048;
/// Most characters of a user name elsewhere.
const MAX_USERNAME: usize = 254;
/// Most bytes of a password or token elsewhere.
const MAX_SECRET: usize = 4_096;

/// Reads a kind; the refusal names those there are.
pub fn parse_kind(text: &str) -> Result<Kind, Invalid> {
    one_of(text, &KINDS)
}

/// Every way to keep the way to a mail server from others, by its name.
pub const SECURITIES: [(&str, Security); 3] =
    [("tls", Security::Tls), ("starttls", Security::Starttls), ("plain", Security::Plain)];

/// Reads it; the refusal names those there are.
pub fn parse_security(text: &str) -> Result<Security, Invalid> {
    one_of(text, &SECURITIES)
}

/// What only mail needs, as somebody wrote it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mail<'a> {
    /// How the way there is kept: `tls`, `starttls` or `plain`; what is usual at the port, if absent.
    pub security: Option<&'a str>,
    /// The address that e-mail is sent from.
    pub address: Option<&'a str>,
    /// The name beside it.
    pub display_name: Option<&'a str>,
    /// The account whose mailbox keeps what was sent. The caller has looked whether it is there.
    pub imap_connection_id: Option<ConnectionId>,
    /// Whether the server itself keeps a copy of what is sent through it; found out, if absent.
    pub saves_sent: Option<bool>,
}

/// An account elsewhere and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    kind: Kind,
    name: ConnectionName,
    endpoint: String,
    port: Option<u16>,
    username: Option<String>,
    secret: Option<Secret>,
    mail: MailSettings,
}

/// What only mail needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct MailSettings {
    security: Option<Security>,
    address: Option<Email>,
    display_name: Option<Name>,
    imap_connection_id: Option<ConnectionId>,
    saves_sent: Option<bool>,
}

impl Account {
    /// Reads all of it; a refusal names every faulty field.
    pub fn parse(
        kind: Kind,
        name: &str,
        endpoint: &str,
        port: Option<u16>,
        username: Option<&str>,
        secret: Option<&str>,
        mail: Mail<'_>,
    ) -> Result<Self, Vec<(&'static str, Invalid)>> {
        let mut wrong = vec![];
        let name = ConnectionName::parse(name).map_err(|invalid| wrong.push(("name", invalid)));
        let _ = check_endpoint(kind, endpoint).map_err(|invalid| wrong.push(("endpoint", invalid)));
        let _ = check_port(port).map_err(|invalid| wrong.push(("port", invalid)));
        let username = username.map(parse_username).transpose().map_err(|invalid| wrong.push(("username", invalid)));
        let secret = secret.map(parse_secret).transpose().map_err(|invalid| wrong.push(("secret", invalid)));
        let Mail { security, address, display_name, imap_connection_id, saves_sent } = mail;
        let security = security.map(parse_security).transpose().map_err(|invalid| wrong.push(("security", invalid)));
        let address = address.map(Email::parse).transpose().map_err(|invalid| wrong.push(("address", invalid)));
        let display_name = display_name.map(Name::parse).transpose();
        let display_name = display_name.map_err(|invalid| wrong.push(("display_name", invalid)));
        match (name, username, secret, security, address, display_name) {
            (Ok(name), Ok(username), Ok(secret), Ok(security), Ok(address), Ok(display_name)) if wrong.is_empty() => {
                let mail = MailSettings { security, address, display_name, imap_connection_id, saves_sent };
                Ok(Self { kind, name, endpoint: endpoint.to_owned(), port, username, secret, mail })
            }
            _ => Err(wrong),
        }
    }

    pub(super) fn into_fact(self) -> Connected {
        let settings = Settings {
            name: self.name.into(),
            endpoint: self.endpoint,
            port: self.port,
            username: self.username,
            secret: self.secret.map(|secret| secret.expose().to_owned()),
            security: self.mail.security,
            address: self.mail.address.map(String::from),
            display_name: self.mail.display_name.map(String::from),
            imap_connection_id: self.mail.imap_connection_id,
            saves_sent: self.mail.saves_sent,
        };
        Connected { kind: self.kind, settings }
    }
}

/// What only mail needs, as somebody wants to change it. Each field: absent, leave it; `Some(None)`, clear it.
#[derive(Debug, Clone, Copy, Default)]
pub struct MailEdit<'a> {
    /// How the way there is kept.
    pub security: Option<Option<&'a str>>,
    /// The address that e-mail is sent from.
    pub address: Option<Option<&'a str>>,
    /// The name beside it.
    pub display_name: Option<Option<&'a str>>,
    /// The account whose mailbox keeps what was sent. The caller has looked whether it is there.
    pub imap_connection_id: Option<Option<ConnectionId>>,
    /// Whether the server itself keeps a copy of what is sent through it.
    pub saves_sent: Option<Option<bool>>,
}

/// What is to change of a connection's settings. Each field: absent, leave it; `Some(None)`, clear it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::option_option, reason = "the same three cases as in every other edit")]
pub struct Edit {
    name: Option<ConnectionName>,
    /// What it may be depends on the kind, which is known when the command is decided.
    endpoint: Option<String>,
    port: Option<Option<u16>>,
    username: Option<Option<String>>,
    secret: Option<Option<Secret>>,
    security: Option<Option<Security>>,
    address: Option<Option<Email>>,
    display_name: Option<Option<Name>>,
    imap_connection_id: Option<Option<ConnectionId>>,
    saves_sent: Option<Option<bool>>,
}

impl Edit {
    /// Reads all of it; a refusal names every faulty field. Whether the endpoint fits the kind is decided later.
    pub fn parse(
        name: Option<&str>,
        endpoint: Option<&str>,
        port: Option<Option<u16>>,
        username: Option<Option<&str>>,
        secret: Option<Option<&str>>,
        mail: MailEdit<'_>,
    ) -> Result<Self, Vec<(&'static str, Invalid)>> {
        let mut wrong = vec![];
        let name = name.map(ConnectionName::parse).transpose().map_err(|invalid| wrong.push(("name", invalid)));
        let _ = check_port(port.flatten()).map_err(|invalid| wrong.push(("port", invalid)));
        let mut edit = Self {
            name: name.ok().flatten(),
            endpoint: endpoint.map(str::to_owned),
            port,
            username: cleared_or(username, parse_username, "username", &mut wrong),
            secret: cleared_or(secret, parse_secret, "secret", &mut wrong),
            ..Self::default()
        };
        edit.security = cleared_or(mail.security, parse_security, "security", &mut wrong);
        edit.address = cleared_or(mail.address, Email::parse, "address", &mut wrong);
        edit.display_name = cleared_or(mail.display_name, Name::parse, "display_name", &mut wrong);
        edit.imap_connection_id = mail.imap_connection_id;
        edit.saves_sent = mail.saves_sent;
        if wrong.is_empty() { Ok(edit) } else { Err(wrong) }
    }

    pub(super) fn apply(self, kind: Kind, mut settings: Settings) -> Result<Settings, Rejection> {
        if let Some(name) = self.name {
            settings.name = name.into();
        }
        if let Some(endpoint) = self.endpoint {
            check_endpoint(kind, &endpoint).map_err(|_| match kind {
                Kind::Imap | Kind::Smtp => Rejection::NoHost,
                Kind::Caldav | Kind::N8n => Rejection::NoUrl,
            })?;
            if endpoint != settings.endpoint && settings.secret.is_some() && self.secret.is_none() {
                return Err(Rejection::SecretOfAnother);
            }
            settings.endpoint = endpoint;
        }
        settings.port = self.port.unwrap_or(settings.port);
        settings.username = self.username.unwrap_or(settings.username);
        if let Some(secret) = self.secret {
            settings.secret = secret.map(|secret| secret.expose().to_owned());
        }
        settings.security = self.security.unwrap_or(settings.security);
        if let Some(address) = self.address {
            settings.address = address.map(String::from);
        }
        if let Some(display_name) = self.display_name {
            settings.display_name = display_name.map(String::from);
        }
        settings.imap_connection_id = self.imap_connection_id.unwrap_or(settings.imap_connection_id);
        settings.saves_sent = self.saves_sent.unwrap_or(settings.saves_sent);
        Ok(settings)
    }
}

/// Reads a field that may be left, cleared or set; what is wrong with it is noted.
#[allow(clippy::option_option, reason = "the three cases of an edit")]
fn cleared_or<T>(
    written: Option<Option<&str>>,
    parse: fn(&str) -> Result<T, Invalid>,
    field: &'static str,
    wrong: &mut Vec<(&'static str, Invalid)>,
) -> Option<Option<T>> {
    match written.map(|text| text.map(parse).transpose()).transpose() {
        Ok(value) => value,
        Err(invalid) => {
            wrong.push((field, invalid));
            None
        }
    }
}

fn check_endpoint(kind: Kind, endpoint: &str) -> Result<(), Invalid> {
    match kind {
        Kind::Imap | Kind::Smtp if is_host(endpoint) => Ok(()),
        Kind::Imap | Kind::Smtp => Err(Invalid::new("invalid_host", "must be a host name like mail.example.org")),
        Kind::Caldav => https(endpoint, &["https://"], MAX_ENDPOINT),
        // n8n often runs in the same house, without a certificate.
        Kind::N8n => https(endpoint, &["https://", "http://"], MAX_ENDPOINT),
    }
}

fn check_port(port: Option<u16>) -> Result<(), Invalid> {
    if port == Some(0) { Err(Invalid::new("out_of_range", "must be 1 to 65535")) } else { Ok(()) }
}

fn parse_username(text: &str) -> Result<String, Invalid> {
    Text::line(MAX_USERNAME).parse(text)
}

fn parse_secret(text: &str) -> Result<Secret, Invalid> {
    refuse_nul(text)?;
    match text.len() {
        0 => Err(Invalid::new("empty", "must not be empty")),
        1..=MAX_SECRET => Ok(Secret::new(text)),
        _ => Err(Invalid::new("too_long", format!("must have at most {MAX_SECRET} bytes"))),
    }
}
