//! What a user decides about threads: e-mails belong together, or to nothing else. Which are one thread otherwise follows
//! from the e-mails themselves.

use axum::{http::StatusCode, response::Response};
use orbit_domain::emails::{
    Email, Thread,
    thread::{AT_MOST, Command},
};
use orbit_event_store::Unit;
use orbit_events::{EmailId, ThreadId};
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

use super::{SCOPE, views::WrittenThreadDecision};
use crate::{
    error::{Result, refusal},
    routes::read::{self, at_most},
    write::{Reply, Write, present},
};

/// E-mails or threads that are to be one thread. Exactly one field is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "thread_ids": ["019302d5-6f3c-7b1e-9c53-0d6a3c1f2b50", "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b52"]
}"#)))]
pub struct MergeThreads {
    /// Threads, 2 to 500, by their ids: each is that of an e-mail in it.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 2, max_items = 500)]
    thread_ids: Field<Vec<Field<String>>>,
    /// E-mails, 2 to 500; their threads become one.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 2, max_items = 500)]
    email_ids: Field<Vec<Field<String>>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// E-mails that are to be a thread of their own.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"email_ids": ["019302d5-6f3c-7b1e-9c53-0d6a3c1f2b50"]}"#)))]
pub struct SplitThread {
    /// 1 to 500 e-mails.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>, required, min_items = 1, max_items = 500)]
    email_ids: Field<Vec<Field<String>>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Merge threads
///
/// The decision holds until it is taken back: by deleting it, or by undoing it.
#[utoipa::path(post, path = "/api/v1/emails/threads/merge", tag = "emails", operation_id = "merge_threads",
    request_body = MergeThreads,
    responses((status = 201, description = "The decision", body = WrittenThreadDecision)))]
#[tracing::instrument(name = "command.threads.merge", skip_all)]
pub async fn merge(write: Write, body: JsonBody<MergeThreads>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let read = body.value.read(&mut faults);
    let (field, email_ids) = &faults.finish_with(|| read)?;
    decide(&write, &body.bytes, field, email_ids, Command::Merge).await
}

/// Split e-mails off
///
/// They are a thread of their own, whatever they refer to.
#[utoipa::path(post, path = "/api/v1/emails/threads/split", tag = "emails", operation_id = "split_thread",
    request_body = SplitThread,
    responses((status = 201, description = "The decision", body = WrittenThreadDecision)))]
#[tracing::instrument(name = "command.threads.split", skip_all)]
pub async fn split(write: Write, body: JsonBody<SplitThread>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let email_ids = faults.required("email_ids", body.value.email_ids, at_most(AT_MOST));
    let email_ids = email_ids.and_then(|ids| read::each(&mut faults, "email_ids", ids, read::id));
    let email_ids = &faults.finish_with(|| email_ids)?;
    decide(&write, &body.bytes, "email_ids", email_ids, Command::Split).await
}

/// Take a decision about threads back
///
/// E-mails are one thread again, or not, as if it had not been made.
#[utoipa::path(delete, path = "/api/v1/emails/thread-decisions/{id}", tag = "emails", operation_id = "dissolve_thread_decision",
    params(("id" = Uuid, Path, description = "The decision")),
    responses((status = 204, description = "It holds no more")))]
#[tracing::instrument(name = "command.threads.dissolve", skip_all)]
pub async fn dissolve(write: Write, PathId(id): PathId<ThreadId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<Thread>(&unit, id.0, if_match).await?;
        unit.decide::<Thread>(id.0, Command::Dissolve).await?;
        Ok(Reply::nothing())
    };
    write.run(b"", decide).await
}

async fn decide(
    write: &Write,
    body: &[u8],
    field: &str,
    email_ids: &[EmailId],
    command: fn(Vec<EmailId>) -> Command,
) -> Result<Response> {
    let app = write.app();
    let decide = |unit: Unit| async move {
        for (index, id) in email_ids.iter().enumerate() {
            // One that was deleted holds its thread together all the same, and may be what the thread is known by.
            if unit.load::<Email>(id.0).await?.is_none() {
                let pointer = Some(format!("/{field}/{index}"));
                let detail = "there is no such e-mail";
                return Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, "unknown_email", pointer, detail).into());
            }
        }
        let id = ids::new_v7(app.store.clock());
        let decision = unit.create::<Thread>(id, command(email_ids.to_vec()))?;
        let decision = WrittenThreadDecision::try_from(decision)?;
        let location = format!("/api/v1/emails/thread-decisions/{id}");
        Ok(Reply::created(&decision, location)?.version(decision.version))
    };
    write.run(body, decide).await
}

impl MergeThreads {
    fn read(self, faults: &mut Faults) -> Option<(&'static str, Vec<EmailId>)> {
        faults.unknown(self.unknown);
        let given = |field: &Field<_>| !matches!(field, Field::Absent | Field::Null);
        let (threads, emails) = (given(&self.thread_ids), given(&self.email_ids));
        let mut read = |name: &'static str, field| {
            let ids = faults.optional(name, field, at_most(AT_MOST))?;
            read::each(faults, name, ids, read::id).map(|ids| (name, ids))
        };
        let (thread_ids, email_ids) = (read("thread_ids", self.thread_ids), read("email_ids", self.email_ids));
        match (threads, emails) {
            (true, true) => faults.malformed("email_ids", "both_given", "give thread_ids or email_ids, not both"),
            (false, false) => faults.malformed("", "empty", "must name thread_ids or email_ids"),
            (_, _) => thread_ids.or(email_ids),
        }
    }
}
