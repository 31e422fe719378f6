//! Connections to accounts elsewhere: connect, change, disconnect.

use axum::{http::StatusCode, response::Response};
use orbit_domain::{
    Invalid, Text,
    users::{
        Connection,
        connection::{Account, Command, Edit, USER, parse_kind},
    },
};
use orbit_event_store::Unit;
use orbit_events::{ConnectionId, users::connection::Kind};
use orbit_platform::{
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        openapi::parsed,
        path::PathId,
    },
    ids,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{SCOPE, mail::MailBody, views::WrittenConnection};
use crate::{
    error::{Result, broken, refusal},
    routes::read::{Refusal, text},
    write::{Reply, Write, present},
};

/// Most connections of a user.
pub const MAX_CONNECTIONS: i64 = 50;
/// Most characters of an endpoint.
const MAX_ENDPOINT: usize = 2_048;

/// An account elsewhere.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "kind": "imap", "name": "Work mail", "endpoint": "imap.example.org", "port": 993, "username": "ada", "secret": "…"
}"#)))]
pub struct Connect {
    /// `imap`, `smtp`, `caldav` or `n8n`.
    #[serde(default)]
    #[schema(value_type = String, required, example = "imap")]
    pub(super) kind: Field<String>,
    /// 1 to 100 characters.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 100, example = "Work mail")]
    pub(super) name: Field<String>,
    /// Host name, or the base URL of a `CalDAV` server (https) or n8n instance.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 2048, example = "imap.example.org")]
    pub(super) endpoint: Field<String>,
    /// TCP port, for IMAP and SMTP.
    #[serde(default)]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 65535)]
    pub(super) port: Field<u16>,
    /// Whom to log in as.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 254)]
    pub(super) username: Field<String>,
    /// The password or token. It is sealed and never comes back.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 4096)]
    pub(super) secret: Field<String>,
    /// For IMAP and SMTP: `tls`, `starttls` or `plain`; what is usual at the port, if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "tls")]
    pub(super) security: Field<String>,
    /// For SMTP: the address that e-mail is sent from; the user name, if that is one.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 254)]
    pub(super) address: Field<String>,
    /// For SMTP: the name beside that address.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100)]
    pub(super) display_name: Field<String>,
    /// For SMTP: the IMAP connection in whose mailbox lies what was sent.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub(super) imap_connection_id: Field<String>,
    /// For SMTP: whether the server itself keeps a copy of what is sent through it. If absent, a copy is looked for before one
    /// is laid there.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub(super) saves_sent: Field<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub(super) unknown: Unknown,
}

/// What is to change of a connection: a JSON merge patch (RFC 7396). What it connects to stays of the same kind.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"port": 143, "secret": "…"}"#)))]
pub struct EditConnection {
    /// 1 to 100 characters.
    #[serde(default)]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    name: Field<String>,
    /// Host name, or the base URL of a `CalDAV` server (https) or n8n instance. Where there is a secret, it has to be given
    /// again with another endpoint: no server is shown what was given for another.
    #[serde(default)]
    #[schema(value_type = String, max_length = 2048)]
    endpoint: Field<String>,
    /// TCP port; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 65535)]
    port: Field<u16>,
    /// Whom to log in as; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 254)]
    username: Field<String>,
    /// The password or token; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 4096)]
    secret: Field<String>,
    /// `tls`, `starttls` or `plain`; `null` for what is usual at the port.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    security: Field<String>,
    /// The address that e-mail is sent from; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 254)]
    address: Field<String>,
    /// The name beside that address; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100)]
    display_name: Field<String>,
    /// The IMAP connection in whose mailbox lies what was sent; `null` for none.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    imap_connection_id: Field<String>,
    /// Whether the server itself keeps a copy of what is sent through it; `null` if that is not known.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    saves_sent: Field<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Connect an account elsewhere
#[utoipa::path(post, path = "/api/v1/connections", tag = "connections", operation_id = "connect",
    request_body = Connect, responses((status = 201, description = "The connection", body = WrittenConnection)))]
#[tracing::instrument(name = "command.connections.connect", skip_all)]
pub async fn connect(write: Write, body: JsonBody<Connect>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let (account, mailbox) = body.value.read()?;
    let account = &Box::new(account);
    let app = write.app();
    let decide = |unit: Unit| async move {
        check_mailbox(&unit, mailbox).await?;
        let active = unit.scan(USER, unit.context().user_id.0.as_bytes(), MAX_CONNECTIONS).await?;
        if i64::try_from(active.len()).is_ok_and(|count| count >= MAX_CONNECTIONS) {
            let detail = format!("a user has at most {MAX_CONNECTIONS} connections");
            return Err(refusal(StatusCode::CONFLICT, "too_many_connections", None, detail).into());
        }
        let id = ids::new_v7(app.store.clock());
        let connection = unit.create::<Connection>(id, Command::Connect(account.clone()))?;
        let connection = WrittenConnection::try_from(connection)?;
        Ok(Reply::created(&connection, format!("/api/v1/connections/{id}"))?.version(connection.version))
    };
    write.run(&body.bytes, decide).await
}

/// Change a connection
///
/// A JSON merge patch (RFC 7396): what is absent stays, what is `null` is taken away.
#[utoipa::path(patch, path = "/api/v1/connections/{id}", tag = "connections", operation_id = "edit_connection",
    request_body = EditConnection, params(("id" = uuid::Uuid, Path, description = "The connection")),
    responses((status = 200, description = "The connection as it is now", body = WrittenConnection)))]
#[tracing::instrument(name = "command.connections.edit", skip_all)]
pub async fn edit(write: Write, PathId(id): PathId<ConnectionId>, body: JsonBody<EditConnection>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let (edit, mailbox) = body.value.read()?;
    let (edit, if_match) = (&Box::new(edit), &write.request.if_match);
    let decide = |unit: Unit| async move {
        present::<Connection>(&unit, id.0, if_match).await?;
        check_mailbox(&unit, mailbox).await?;
        let connection = unit.decide::<Connection>(id.0, Command::ChangeSettings(edit.clone())).await?;
        let connection = WrittenConnection::try_from(connection)?;
        Ok(Reply::ok(&connection)?.version(connection.version))
    };
    write.run(&body.bytes, decide).await
}

/// Disconnect an account elsewhere
#[utoipa::path(delete, path = "/api/v1/connections/{id}", tag = "connections", operation_id = "disconnect",
    params(("id" = uuid::Uuid, Path, description = "The connection")),
    responses((status = 204, description = "It is disconnected")))]
#[tracing::instrument(name = "command.connections.disconnect", skip_all)]
pub async fn disconnect(write: Write, PathId(id): PathId<ConnectionId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<Connection>(&unit, id.0, if_match).await?;
        unit.decide::<Connection>(id.0, Command::Disconnect).await?;
        Ok(Reply::nothing())
    };
    write.run(b"", decide).await
}

/// The mailbox that keeps what was sent is one of the user's.
pub(super) async fn check_mailbox(unit: &Unit, id: Option<ConnectionId>) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    let connection = unit.load::<Connection>(id.0).await?;
    let is_one = connection.is_some_and(|one| one.state.present().is_some_and(|one| one.kind == Kind::Imap));
    let no = || broken("unknown_connection", "imap_connection_id", "there is no such mailbox");
    if is_one { Ok(()) } else { Err(no()) }
}

/// What is true of an endpoint whatever the kind, which is known only when the change is decided.
fn endpoint(text: String) -> Result<String, Refusal> {
    Text { required: true, max_chars: MAX_ENDPOINT, multiline: false }.parse(&text).map_err(Invalid::into_parts)?;
    Ok(text)
}

impl Connect {
    /// The account, and the mailbox that keeps what is sent through it.
    pub(super) fn read(self) -> Result<(Account, Option<ConnectionId>)> {
        let mut faults = Faults::new();
        faults.unknown(self.unknown);
        let kind = faults.required("kind", self.kind, text(parse_kind));
        let name = faults.required("name", self.name, Faults::any);
        let endpoint = faults.required("endpoint", self.endpoint, Faults::any);
        let port = faults.optional("port", self.port, Faults::any);
        let username = faults.optional("username", self.username, Faults::any);
        let secret = faults.optional("secret", self.secret, Faults::any);
        let mail = MailBody {
            security: self.security,
            address: self.address,
            display_name: self.display_name,
            imap_connection_id: self.imap_connection_id,
            saves_sent: self.saves_sent,
        };
        let mail = mail.read(&mut faults);
        // What is missing was noted; something harmless stands in for it, so that the others are checked all the same.
        let account = Account::parse(
            kind.unwrap_or(Kind::Imap),
            name.as_deref().unwrap_or("name"),
            endpoint.as_deref().unwrap_or("mail.example.org"),
            port,
            username.as_deref(),
            secret.as_deref(),
            mail.as_written(),
        );
        let account = match account {
            Ok(account) => Some(account),
            Err(wrong) => {
                for (field, invalid) in wrong {
                    // What an endpoint may be depends on the kind.
                    if field != "endpoint" || kind.is_some() {
                        faults.broken::<()>(field, invalid.code, invalid.detail);
                    }
                }
                None
            }
        };
        Ok((faults.finish_with(|| account)?, mail.imap_connection_id))
    }
}

impl EditConnection {
    fn read(self) -> Result<(Edit, Option<ConnectionId>)> {
        let mut faults = Faults::new();
        faults.unknown(self.unknown);
        let name = faults.change("name", self.name, Faults::any);
        let endpoint = faults.change("endpoint", self.endpoint, endpoint);
        let port = faults.patch("port", self.port, Faults::any);
        let username = faults.patch("username", self.username, Faults::any);
        let secret = faults.patch("secret", self.secret, Faults::any);
        let mail = MailBody {
            security: self.security,
            address: self.address,
            display_name: self.display_name,
            imap_connection_id: self.imap_connection_id,
            saves_sent: self.saves_sent,
        };
        let mail = mail.read_changes(&mut faults);
        let edit = Edit::parse(
            name.as_deref(),
            endpoint.as_deref(),
            port,
            username.as_ref().map(Option::as_deref),
            secret.as_ref().map(Option::as_deref),
            mail.as_written(),
        );
        let edit = edit.map_err(|wrong| {
            for (field, invalid) in wrong {
                faults.broken::<()>(field, invalid.code, invalid.detail);
            }
        });
        Ok((faults.finish_with(|| edit.ok())?, mail.imap_connection_id.flatten()))
    }
}
