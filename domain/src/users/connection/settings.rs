//! How to reach an account elsewhere.

use orbit_events::users::connection::{Connected, Kind, Settings};

use super::Rejection;
use crate::{
    Invalid, Secret, Text,
    users::{
        ConnectionName,
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

/// An account elsewhere and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    kind: Kind,
    name: ConnectionName,
    endpoint: String,
    port: Option<u16>,
    username: Option<String>,
    secret: Option<Secret>,
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
    ) -> Result<Self, Vec<(&'static str, Invalid)>> {
        let mut wrong = vec![];
        let name = ConnectionName::parse(name).map_err(|invalid| wrong.push(("name", invalid)));
        let _ = check_endpoint(kind, endpoint).map_err(|invalid| wrong.push(("endpoint", invalid)));
        let _ = check_port(port).map_err(|invalid| wrong.push(("port", invalid)));
        let username = username.map(parse_username).transpose().map_err(|invalid| wrong.push(("username", invalid)));
        let secret = secret.map(parse_secret).transpose().map_err(|invalid| wrong.push(("secret", invalid)));
        match (name, username, secret) {
            (Ok(name), Ok(username), Ok(secret)) if wrong.is_empty() => {
                Ok(Self { kind, name, endpoint: endpoint.to_owned(), port, username, secret })
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
        };
        Connected { kind: self.kind, settings }
    }
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
}

impl Edit {
    /// Reads all of it; a refusal names every faulty field. Whether the endpoint fits the kind is decided later.
    pub fn parse(
        name: Option<&str>,
        endpoint: Option<&str>,
        port: Option<Option<u16>>,
        username: Option<Option<&str>>,
        secret: Option<Option<&str>>,
    ) -> Result<Self, Vec<(&'static str, Invalid)>> {
        let mut wrong = vec![];
        let name = name.map(ConnectionName::parse).transpose().map_err(|invalid| wrong.push(("name", invalid)));
        let _ = check_port(port.flatten()).map_err(|invalid| wrong.push(("port", invalid)));
        let username = username.map(|text| text.map(parse_username).transpose()).transpose();
        let username = username.map_err(|invalid| wrong.push(("username", invalid)));
        let secret = secret.map(|text| text.map(parse_secret).transpose()).transpose();
        let secret = secret.map_err(|invalid| wrong.push(("secret", invalid)));
        match (name, username, secret) {
            (Ok(name), Ok(username), Ok(secret)) if wrong.is_empty() => {
                Ok(Self { name, endpoint: endpoint.map(str::to_owned), port, username, secret })
            }
            _ => Err(wrong),
        }
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
            settings.endpoint = endpoint;
        }
        if let Some(port) = self.port {
            settings.port = port;
        }
        if let Some(username) = self.username {
            settings.username = username;
        }
        if let Some(secret) = self.secret {
            settings.secret = secret.map(|secret| secret.expose().to_owned());
        }
        Ok(settings)
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
