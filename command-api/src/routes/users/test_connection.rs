//! Whether an account elsewhere can be reached: tried step by step, and nothing of it is written down.

use axum::response::Response;
use orbit_adapters::probe::{Mailbox, Outcome, Report, Step};
use orbit_domain::users::{
    Connection,
    connection::{Account, Command, State},
};
use orbit_event_store::{Mode, Unit};
use orbit_events::{
    ConnectionId,
    users::connection::{Kind, Settings},
};
use orbit_platform::{
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        openapi::parsed,
    },
    ids,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    SCOPE,
    connections::{Connect, check_mailbox},
};
use crate::{
    error::{Result, broken},
    routes::{emails::sender_of, read},
    state::AppState,
    write::{Reply, Write},
};

/// What is to be tried: a mail account as `POST /connections` takes it, or a connection of the user's.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"connection_id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b44"}"#)))]
pub struct TestConnection {
    /// The connection to try, with the secret that is stored. No other field may be there beside it.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    connection_id: Field<String>,
    /// `imap` or `smtp`; required, unless there is a `connection_id`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "imap")]
    kind: Field<String>,
    /// 1 to 100 characters; required, unless there is a `connection_id`.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    name: Field<String>,
    /// Host name; required, unless there is a `connection_id`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2048, example = "imap.example.org")]
    endpoint: Field<String>,
    /// TCP port; the usual one, if absent.
    #[serde(default)]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 65535)]
    port: Field<u16>,
    /// Whom to log in as.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 254)]
    username: Field<String>,
    /// The password or token. It is used and not stored.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 4096)]
    secret: Field<String>,
    /// `tls`, `starttls` or `plain`; what is usual at the port, if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    security: Field<String>,
    /// For SMTP: the address that e-mail is sent from; the user name, if that is one.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 254)]
    address: Field<String>,
    /// For SMTP: the name beside that address. It is checked and plays no part.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100)]
    display_name: Field<String>,
    /// For SMTP: the IMAP connection in whose mailbox lies what was sent. It has to be there, and is not tried.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    imap_connection_id: Field<String>,
    /// For SMTP: whether the server itself keeps a copy of what is sent through it. It plays no part.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    saves_sent: Field<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// How an account can be reached.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"ok": false, "mailbox": null, "steps": [
    {"kind": "imap", "step": "dns", "status": "ok", "code": null,
     "detail": "the name imap.example.org is known", "took_ms": 12},
    {"kind": "imap", "step": "tcp", "status": "failed", "code": "port_closed", "took_ms": 31,
     "detail": "nothing takes connections at port 994: check it; usual is 993 with `tls`, or 143 with `starttls`"},
    {"kind": "imap", "step": "tls", "status": "skipped", "code": null,
     "detail": "not tried, since a step before it failed", "took_ms": 0}
]}"#)))]
pub struct TestedConnection {
    /// Whether no step failed.
    ok: bool,
    /// Every step on the way, in order: `dns`, `tcp`, `tls`, `login`, then `select` for IMAP and `smtp` for SMTP.
    steps: Vec<TestedStep>,
    /// What was found, if the inbox of an IMAP server opened.
    mailbox: Option<TestedMailbox>,
}

/// What became of one step.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct TestedStep {
    /// What is at the other end: `imap` or `smtp`.
    #[schema(value_type = String)]
    kind: Kind,
    /// `dns` (the name is looked up), `tcp` (the port takes connections), `tls` (encryption, and the certificate),
    /// `login`, `select` (the inbox opens) or `smtp` (mail from the account's address would be taken; none is sent).
    step: &'static str,
    /// `ok`, `failed` or `skipped`.
    status: &'static str,
    /// A stable name of what is wrong, if the step failed.
    code: Option<&'static str>,
    /// What is well, or what is wrong and what to do, or why it was skipped.
    detail: String,
    /// How long it took, in milliseconds.
    took_ms: u64,
}

/// What is behind the login of an IMAP server.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct TestedMailbox {
    /// Messages in the inbox.
    messages: u32,
    /// Folders, if the server told in time.
    folders: Option<usize>,
    /// What it offers that synchronisation makes use of, such as `condstore`, `qresync`, `idle` or `objectid`.
    offers: Vec<String>,
}

/// Test a connection to a mail server
///
/// Tries a mail account step by step, in 20 seconds at most. What is wrong with it is told in the answer, which is 200
/// all the same. Nothing is stored, and nothing is sent.
#[utoipa::path(post, path = "/api/v1/connections/test", tag = "connections", operation_id = "test_connection",
    request_body = TestConnection,
    responses((status = 200, description = "What became of each step", body = TestedConnection)))]
#[tracing::instrument(name = "command.connections.test", skip_all)]
pub async fn test(write: Write, body: JsonBody<TestConnection>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    if let Some(earlier) = write.earlier(&body.bytes).await? {
        return Ok(earlier);
    }
    let (wanted, app) = (&body.value.read()?, write.app());
    // An account is decided on as if it were connected, and that is thrown away.
    let dry = Mode { idempotency: None, dry_run: true };
    let found = app.store.transact(write.origin(), dry, |unit| find(app, unit, wanted)).await?;
    let (kind, settings): (Kind, Settings) = found.answer;
    let reply = if write.request.dry_run {
        Reply::nothing()
    } else {
        let from = sender_of(&settings).map(|(address, _)| address);
        let report = app.mail().servers.test(kind, &settings, from.as_deref()).await?;
        Reply::ok(&TestedConnection::new(kind, report))?
    };
    let reply = &reply;
    write.run(&body.bytes, |_| async move { Ok(reply.clone()) }).await
}

/// What is to be tried, once it was read.
enum Wanted {
    Account(Box<Account>, Option<ConnectionId>),
    Connection(ConnectionId),
}

/// What is at the other end of it, and how to reach that.
async fn find(app: &AppState, unit: Unit, wanted: &Wanted) -> Result<(Kind, Settings)> {
    let unknown = || broken("unknown_connection", "connection_id", "there is no such connection");
    let (field, connection) = match wanted {
        Wanted::Account(account, mailbox) => {
            check_mailbox(&unit, *mailbox).await?;
            let id = ids::new_v7(app.store.clock());
            ("kind", unit.create::<Connection>(id, Command::Connect(account.clone()))?)
        }
        Wanted::Connection(id) => ("connection_id", unit.load::<Connection>(id.0).await?.ok_or_else(unknown)?),
    };
    match connection.state {
        State::Connected(present) => match present.kind {
            Kind::Imap | Kind::Smtp => Ok((present.kind, present.settings)),
            Kind::Caldav | Kind::N8n => {
                Err(broken("not_a_mail_server", field, "only connections of kind imap or smtp can be tested"))
            }
        },
        State::Absent | State::Disconnected => Err(unknown()),
    }
}

impl TestConnection {
    fn read(self) -> Result<Wanted> {
        let given = self.given();
        let by_id = is_given(&self.connection_id);
        if !by_id && !given.is_empty() {
            let (account, mailbox) = self.into_account().read()?;
            return Ok(Wanted::Account(Box::new(account), mailbox));
        }
        let mut faults = Faults::new();
        faults.unknown(self.unknown);
        if !by_id {
            let detail = "give a mail account as POST /connections takes it, or the connection_id of one";
            faults.broken::<()>("", "nothing_to_test", detail);
        }
        for field in given {
            let detail = "must not be there beside connection_id: the connection has its own";
            faults.broken::<()>(field, "not_with_connection_id", detail);
        }
        let id = faults.optional("connection_id", self.connection_id, read::id);
        Ok(faults.finish_with(|| id.map(Wanted::Connection))?)
    }

    /// The fields of an account that are there.
    fn given(&self) -> Vec<&'static str> {
        let all = [
            ("kind", is_given(&self.kind)),
            ("name", is_given(&self.name)),
            ("endpoint", is_given(&self.endpoint)),
            ("port", is_given(&self.port)),
            ("username", is_given(&self.username)),
            ("secret", is_given(&self.secret)),
            ("security", is_given(&self.security)),
            ("address", is_given(&self.address)),
            ("display_name", is_given(&self.display_name)),
            ("imap_connection_id", is_given(&self.imap_connection_id)),
            ("saves_sent", is_given(&self.saves_sent)),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(field, _)| field).collect()
    }

    fn into_account(self) -> Connect {
        Connect {
            kind: self.kind,
            name: self.name,
            endpoint: self.endpoint,
            port: self.port,
            username: self.username,
            secret: self.secret,
            security: self.security,
            address: self.address,
            display_name: self.display_name,
            imap_connection_id: self.imap_connection_id,
            saves_sent: self.saves_sent,
            unknown: self.unknown,
        }
    }
}

/// Whether a field holds anything; `null` is nothing.
fn is_given<T>(field: &Field<T>) -> bool {
    !matches!(field, Field::Absent | Field::Null)
}

impl TestedConnection {
    fn new(kind: Kind, report: Report) -> Self {
        let ok = report.is_ok();
        let Report { steps, mailbox } = report;
        Self {
            ok,
            steps: steps.into_iter().map(|step| TestedStep::new(kind, step)).collect(),
            mailbox: mailbox.map(TestedMailbox::from),
        }
    }
}

impl TestedStep {
    fn new(kind: Kind, step: Step) -> Self {
        let (status, code) = match step.outcome {
            Outcome::Ok => ("ok", None),
            Outcome::Failed(code) => ("failed", Some(code)),
            Outcome::Skipped => ("skipped", None),
        };
        let took_ms = u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX);
        Self { kind, step: step.stage.name(), status, code, detail: step.detail, took_ms }
    }
}

impl From<Mailbox> for TestedMailbox {
    fn from(Mailbox { messages, folders, offers }: Mailbox) -> Self {
        Self { messages, folders, offers: offers.into_iter().map(str::to_lowercase).collect() }
    }
}
