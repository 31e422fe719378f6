//! What is decided when somebody wants a message to be sent: from whom, through which account, under which message id,
//! and until when it can be taken back. Sending itself happens elsewhere, and reads all of it from the facts.

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use orbit_domain::{
    emails::{
        Attachment, Draft, Email, Submission, attachment, fits_a_message,
        submission::{Command, Submit},
    },
    users::{Connection, connection},
};
use orbit_event_store::Unit;
use orbit_events::{
    AttachmentId, ConnectionId, DraftId, EmailId, SubmissionId,
    emails::{Address, Attached, Content, REFERENCES},
    users::connection::{Kind, Settings},
};

use super::{compose::domain_of, views::WrittenSubmission};
use crate::{
    error::{Error, Result, broken, refusal},
    routes::users::MAX_CONNECTIONS,
    write::Reply,
};

/// When a message is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct When {
    /// The time that somebody chose.
    pub send_at: Option<DateTime<Utc>>,
    /// How long it can be taken back at least.
    pub hold: TimeDelta,
}

/// Decides that a message is to be sent, and answers that it is going to be.
pub async fn submit(
    unit: &Unit,
    id: SubmissionId,
    mut content: Content,
    draft_id: Option<DraftId>,
    when: When,
) -> Result<Reply> {
    let (connection_id, account) = sender(unit, content.connection_id).await?;
    content.connection_id = Some(connection_id);
    let (from, domain) = author(&account)?;
    let (in_reply_to, references) = match content.reply_to_email_id {
        Some(email) => answered(unit, email).await?,
        None => (None, vec![]),
    };
    let mut attachments = Vec::with_capacity(content.attachments.len());
    for (index, file) in content.attachments.iter().enumerate() {
        attachments.push(attached(*file, upload(unit, *file, index).await?));
    }
    if !fits_a_message(&content.body, attachments.iter().map(|file| file.size)) {
        return Err(broken("message_too_large", "attachments", "all files together are too large for one message"));
    }
    let now = unit.context().now;
    let earliest = now + when.hold;
    let until = when.send_at.map_or(earliest, |at| at.max(earliest));
    let submit = Submit {
        content,
        from,
        message_id: format!("{}@{domain}", id.0.simple()),
        in_reply_to,
        references,
        attachments,
        draft_id,
    };
    let command = Command::Submit { submit: Box::new(submit), until, scheduled: until > earliest };
    let submission = WrittenSubmission::try_from(unit.create::<Submission>(id.0, command)?)?;
    let location = format!("/api/v1/emails/submissions/{}", submission.id);
    Ok(Reply::accepted(&submission)?.at(location).version(submission.version))
}

/// Takes back that a message is to be sent. What was a draft is one again.
pub async fn cancel(unit: &Unit, id: SubmissionId) -> Result<Reply> {
    let submission = unit.decide::<Submission>(id.0, Command::Cancel).await?;
    if let Some(draft) = submission.state.sheet().and_then(|sheet| sheet.draft_id) {
        unit.decide::<Draft>(draft.0, orbit_domain::emails::draft::Command::Reopen(id)).await?;
    }
    let submission = WrittenSubmission::try_from(submission)?;
    Ok(Reply::ok(&submission)?.version(submission.version))
}

/// Refuses what names an account, an e-mail or a file that is not there.
pub async fn check(unit: &Unit, content: &Content) -> Result<()> {
    check_new(unit, None, content).await
}

/// The same, but for what it has named before.
pub async fn check_new(unit: &Unit, before: Option<&Content>, content: &Content) -> Result<()> {
    let known = |test: &dyn Fn(&Content) -> bool| before.is_some_and(test);
    if let Some(id) = content.connection_id
        && !known(&|before| before.connection_id == Some(id))
    {
        account(unit, id).await?;
    }
    if let Some(id) = content.reply_to_email_id
        && !known(&|before| before.reply_to_email_id == Some(id))
    {
        answered(unit, id).await?;
    }
    for (index, id) in content.attachments.iter().enumerate() {
        if !known(&|before| before.attachments.contains(id)) {
            upload(unit, *id, index).await?;
        }
    }
    Ok(())
}

/// The account to send through: the one that is named, or the only one there is.
async fn sender(unit: &Unit, named: Option<ConnectionId>) -> Result<(ConnectionId, connection::Present)> {
    if let Some(id) = named {
        return Ok((id, account(unit, id).await?));
    }
    let mut found = vec![];
    for held in unit.scan(connection::USER, unit.context().user_id.0.as_bytes(), MAX_CONNECTIONS).await? {
        let id = ConnectionId(held.stream_id);
        found.extend(find(unit, id).await?.map(|account| (id, account)));
    }
    let none = |detail: &str| broken("no_sending_connection", "connection_id", detail);
    match found.pop() {
        Some(only) if found.is_empty() => Ok(only),
        Some(_) => Err(none("there are several accounts to send through: name one")),
        None => Err(none("there is no account to send through: connect one of kind smtp")),
    }
}

async fn account(unit: &Unit, id: ConnectionId) -> Result<connection::Present> {
    let detail = "there is no such account to send through";
    find(unit, id).await?.ok_or_else(|| broken("unknown_connection", "connection_id", detail))
}

async fn find(unit: &Unit, id: ConnectionId) -> Result<Option<connection::Present>> {
    let connection = unit.load::<Connection>(id.0).await?;
    let connection = connection.and_then(|connection| connection.state.present().cloned());
    Ok(connection.filter(|connection| connection.kind == Kind::Smtp))
}

/// The address that messages of an account are from, and its domain: the user name, unless another is set.
pub fn sender_of(settings: &Settings) -> Option<(String, String)> {
    let candidates = settings.address.iter().chain(&settings.username);
    candidates.into_iter().find_map(|text| Some((text.clone(), domain_of(text)?)))
}

/// Whom messages of an account are from, and the domain of that.
fn author(account: &connection::Present) -> Result<(Address, String)> {
    let settings = &account.settings;
    let (email, domain) = sender_of(settings).ok_or_else(|| {
        let detail = "the account does not say which address it sends from: set its address";
        broken("no_sender_address", "connection_id", detail)
    })?;
    Ok((Address { email, name: settings.display_name.clone() }, domain))
}

/// The message id of what is answered, and what an answer refers to: what that refers to, and it itself (RFC 5322 section
/// 3.6.4).
async fn answered(unit: &Unit, id: EmailId) -> Result<(Option<String>, Vec<String>)> {
    let unknown = || broken("unknown_email", "reply_to_email_id", "there is no such e-mail");
    let email = unit.load::<Email>(id.0).await?.ok_or_else(unknown)?;
    let email = email.state.present().ok_or_else(unknown)?;
    let mut references: Vec<String> = email.references.iter().chain(&email.message_id).cloned().collect();
    // The first tells where it began; of the rest the last ones count.
    if references.len() > REFERENCES {
        references.drain(1..=references.len() - REFERENCES);
    }
    Ok((email.message_id.clone(), references))
}

async fn upload(unit: &Unit, id: AttachmentId, index: usize) -> Result<attachment::Present> {
    let file = unit.load::<Attachment>(id.0).await?.and_then(|file| file.state.present().cloned());
    file.ok_or_else(|| -> Error {
        let pointer = Some(format!("/attachments/{index}"));
        let detail = "there is no such upload";
        refusal(StatusCode::UNPROCESSABLE_ENTITY, "unknown_attachment", pointer, detail).into()
    })
}

fn attached(attachment_id: AttachmentId, file: attachment::Present) -> Attached {
    let attachment::Present { filename, content_type, size, raw } = file;
    Attached { attachment_id, filename, content_type, size, raw }
}
