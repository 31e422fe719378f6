//! E-mails and all that belongs to them: what can be asked for, and what the log holds afterwards.

mod batch;
mod drafts;
mod folders;
mod marks;
mod moving;
mod sending;
mod submissions;
mod threads;
mod undo;
mod uploads;
mod who;

use orbit_domain::{
    Aggregate, Context,
    emails::{Email, Folder, email, folder},
};
use orbit_event_store::{Fault, Mode, Origin, Refused, Unit};
use orbit_events::{
    Actor, ConnectionId, Fact, FolderId, Metadata, UserId,
    emails::{
        Role, Where,
        email::{Event, Received},
        folder::Observed,
    },
};
use orbit_platform::ids;
use serde_json::Value;
use uuid::Uuid;

use crate::common::{Answer, Api, Session, id};

/// Why something that tests put into the log is not there.
#[derive(Debug)]
pub struct Unwritten(#[expect(dead_code, reason = "shown when a test fails")] String);

impl From<Fault> for Unwritten {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

/// Whose session it is.
pub fn user(of: &Session) -> UserId {
    UserId(of.claims()["sub"].as_str().unwrap().parse().unwrap())
}

/// Decides a command as the system does: what no route of this process can bring about.
pub async fn decide<A: Aggregate>(api: &Api, of: &Session, id: Uuid, command: A::Command)
where
    A::Command: Clone + Sync,
{
    let actor = Actor::System;
    let origin = Origin {
        context: Context { now: api.clock.now(), user_id: user(of), actor },
        metadata: Metadata {
            actor,
            correlation_id: orbit_platform::ids::new_event_id(),
            causation_id: None,
            session_id: None,
            traceparent: None,
        },
    };
    let command = &command;
    let decide = |unit: Unit| async move {
        unit.decide::<A>(id, command.clone()).await.map(|_| ()).map_err(|refused| match refused {
            Refused::Rejected(rejection) => Unwritten(rejection.to_string()),
            Refused::Fault(fault) => fault.into(),
        })
    };
    api.app.store().transact(origin, Mode::default(), decide).await.unwrap();
}

/// A folder of somebody's, in an account elsewhere or of Orbit's own.
pub async fn folder(api: &Api, of: &Session, account: Option<Uuid>, path: &str, role: Role) -> Where {
    let id = ids::new_event_id();
    let seen = Observed {
        connection_id: account.map(ConnectionId),
        path: path.to_owned(),
        name: path.to_owned(),
        role,
        delimiter: None,
    };
    decide::<Folder>(api, of, id, folder::Command::Observe(seen)).await;
    Where { folder_id: FolderId(id), role }
}

/// The inbox of somebody who has nothing but that.
pub async fn inbox(api: &Api, of: &Session) -> Where {
    folder(api, of, None, "inbox", Role::Inbox).await
}

/// An e-mail as others come in.
pub fn message(place: Where) -> Received {
    let fact = Event::TYPES.iter().find(|fact| fact.wire_type == "emails.received").unwrap();
    let Event::Received(received) =
        Event::decode(fact.wire_type, fact.schema_version, fact.example.as_bytes()).unwrap()
    else {
        panic!("the example is of another kind")
    };
    let message_id = Some(format!("{}@example.org", ids::new_event_id().simple()));
    Received { message_id, place, is_read: false, is_starred: false, labels: vec![], ..*received }
}

/// An e-mail comes in.
pub async fn receive(api: &Api, of: &Session, received: Received) -> String {
    let id = ids::new_event_id();
    decide::<Email>(api, of, id, email::Command::Receive(Box::new(received), email::Again::Yes)).await;
    id.to_string()
}

/// An e-mail in this folder.
pub async fn email_in(api: &Api, of: &Session, place: Where) -> String {
    receive(api, of, message(place)).await
}

/// One verb on an e-mail.
pub async fn verb(api: &Api, of: &Session, email: &str, verb: &str) -> Answer {
    api.post(&format!("/emails/{email}/{verb}")).by(of).send().await
}

/// A connection of somebody's.
pub async fn connection(api: &Api, of: &Session, kind: &str, username: &str) -> String {
    let body = serde_json::json!({"kind": kind, "name": "Mail", "endpoint": "mail.example.org", "username": username});
    id(&api.post("/connections").by(of).json(&body).send().await.expect(201).body).to_owned()
}

/// An account of somebody's to send through.
pub async fn sending_account(api: &Api, of: &Session) -> String {
    connection(api, of, "smtp", "ada@example.org").await
}

/// An API token with these scopes.
pub async fn token(api: &Api, of: &Session, scopes: &[&str]) -> String {
    let body = serde_json::json!({"name": "t", "scopes": scopes});
    let issued: Value = api.post("/auth/tokens").by(of).json(&body).send().await.expect(201).body;
    issued["token"].as_str().unwrap().to_owned()
}

/// Asks for a message to be sent.
pub async fn send(api: &Api, of: &Session, key: &str, body: &Value) -> Answer {
    api.post("/emails/send").by(of).key(key).json(body).send().await
}

/// A message of somebody's that is going to be sent, through an account of its own.
pub async fn submission(api: &Api, of: &Session) -> String {
    let account = sending_account(api, of).await;
    let body = serde_json::json!({"to": ["grace@example.org"], "subject": "Tickets", "connection_id": account});
    id(&send(api, of, &account, &body).await.expect(202).body).to_owned()
}

/// A file of somebody's that waits to be sent.
pub async fn upload(api: &Api, of: &Session, filename: &str, content: &str) -> Answer {
    let call = api.post(&format!("/emails/attachments?filename={filename}")).by(of);
    call.header("content-type", "text/plain").raw_untyped(content.to_owned()).send().await.expect(201)
}
