//! Sentences about e-mails, drafts, what is sent, threads, folders and uploads.

use orbit_events::emails::{
    Action, Address, Content, Origin, Recipient, attachment, draft, email, folder, submission, thread,
};
use uuid::Uuid;

use super::{Names, Tell, about, cut, followed, quoted};

pub(super) fn without_words(wire_type: &str) -> Option<&'static str> {
    Some(match wire_type {
        "emails.received" => "Received an e-mail",
        "emails.read" => "Read an e-mail",
        "emails.unread" => "Marked an e-mail as unread",
        "emails.starred" => "Starred an e-mail",
        "emails.unstarred" => "Took the star off an e-mail",
        "emails.archived" => "Archived an e-mail",
        "emails.unarchived" => "Took an e-mail out of the archive",
        "emails.moved" => "Moved an e-mail",
        "emails.labelled" => "Labelled an e-mail",
        "emails.unlabelled" => "Took a label off an e-mail",
        "emails.trashed" => "Put an e-mail into the trash",
        "emails.restored" => "Took an e-mail out of the trash",
        "emails.deleted" => "Deleted an e-mail",
        "emails.snoozed" => "Changed until when an e-mail is put off",
        "drafts.drafted" => "Drafted an e-mail",
        "drafts.edited" => "Edited a draft",
        "drafts.discarded" => "Threw a draft away",
        "drafts.submitted" => "Handed a draft over to be sent",
        "drafts.reopened" => "Reopened a draft",
        "submissions.submitted" => "Asked for an e-mail to be sent",
        "submissions.held" => "Held back an e-mail",
        "submissions.attempted" => "Began to send an e-mail",
        "submissions.deferred" => "Could not send an e-mail yet",
        "submissions.sent" => "Sent an e-mail",
        "submissions.delivery_failed" => "Could not send an e-mail",
        "submissions.uncertain" => "Could not learn whether an e-mail was sent",
        "submissions.bounced" => "Got a report about an e-mail that was sent",
        "submissions.cancelled" => "Cancelled the sending of an e-mail",
        "threads.merged" => "Merged e-mails into one thread",
        "threads.split" => "Split e-mails off their thread",
        "threads.dissolved" => "Took back a decision about threads",
        "folders.observed" => "Saw a folder",
        "folders.reset_observed" => "Found a folder's e-mails again after a reset",
        "folders.removed" => "Removed a folder",
        "attachments.uploaded" => "Uploaded a file",
        "attachments.discarded" => "Discarded a file",
        _ => return None,
    })
}

impl Tell for email::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Received(received) => received.subject.as_deref().filter(|subject| !subject.is_empty()),
            Self::Read(_)
            | Self::Unread(_)
            | Self::Starred(_)
            | Self::Unstarred(_)
            | Self::Archived(_)
            | Self::Unarchived(_)
            | Self::Moved(_)
            | Self::Labelled(_)
            | Self::Unlabelled(_)
            | Self::Trashed(_)
            | Self::Restored(_)
            | Self::Deleted(_)
            | Self::Snoozed(_) => None,
        }
    }

    fn mentioned(&self) -> Option<Uuid> {
        match self {
            Self::Moved(moved) => Some(moved.place.folder_id.0),
            Self::Received(_)
            | Self::Read(_)
            | Self::Unread(_)
            | Self::Starred(_)
            | Self::Unstarred(_)
            | Self::Archived(_)
            | Self::Unarchived(_)
            | Self::Labelled(_)
            | Self::Unlabelled(_)
            | Self::Trashed(_)
            | Self::Restored(_)
            | Self::Deleted(_)
            | Self::Snoozed(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        let verb = |verb: &str| about(verb, "an e-mail", "e-mail", names.name(id));
        Some(match self {
            Self::Received(received) => came_in(received),
            Self::Read(_) => verb("Read"),
            Self::Unread(_) => format!("{} as unread", verb("Marked")),
            Self::Starred(_) => verb("Starred"),
            Self::Unstarred(_) => verb("Took the star off"),
            Self::Archived(_) => verb("Archived"),
            Self::Unarchived(_) => format!("{} out of the archive", verb("Took")),
            Self::Moved(moved) => followed(verb("Moved"), "to folder", names.name(moved.place.folder_id.0)),
            Self::Labelled(labelled) => followed(verb("Labelled"), "as", Some(&labelled.label)),
            Self::Unlabelled(unlabelled) => verb(&format!("Took label {} off", quoted(&unlabelled.label))),
            Self::Trashed(_) => format!("{} into the trash", verb("Put")),
            Self::Restored(_) => format!("{} out of the trash", verb("Took")),
            Self::Deleted(_) => verb("Deleted"),
            Self::Snoozed(snoozed) => match snoozed.until {
                Some(until) => format!("{} until {}", verb("Put off"), moment(until)),
                None => verb("Stopped putting off"),
            },
        })
    }
}

fn came_in(received: &email::Received) -> String {
    let verb = match received.origin {
        Origin::Import => "Imported",
        Origin::Connection { .. } => "Received",
        Origin::Submission { .. } => "Kept a copy of sent",
    };
    let subject = received.subject.as_deref().filter(|subject| !subject.is_empty());
    let unnamed = if matches!(received.origin, Origin::Submission { .. }) { "e-mail" } else { "an e-mail" };
    let from = received.from.as_ref().map(called).filter(|name| !name.is_empty());
    match from {
        Some(name) => format!("{} from {}", about(verb, unnamed, "e-mail", subject), cut(name)),
        None => about(verb, unnamed, "e-mail", subject),
    }
}

impl Tell for draft::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Drafted(drafted) => subject_of(&drafted.content),
            Self::Edited(edited) => subject_of(&edited.content),
            Self::Discarded(_) | Self::Submitted(_) | Self::Reopened(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        let verb = |verb: &str, name| about(verb, "a draft", "draft", name);
        Some(match self {
            Self::Drafted(drafted) => {
                let drafted_email = about("Drafted", "an e-mail", "e-mail", subject_of(&drafted.content));
                addressed(drafted_email, &everybody(&drafted.content))
            }
            Self::Edited(edited) => verb("Edited", subject_of(&edited.content).or_else(|| names.name(id))),
            Self::Discarded(_) => format!("{} away", verb("Threw", names.name(id))),
            Self::Submitted(_) => format!("{} over to be sent", verb("Handed", names.name(id))),
            Self::Reopened(_) => verb("Reopened", names.name(id)),
        })
    }
}

impl Tell for submission::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Submitted(submitted) => subject_of(&submitted.content),
            Self::Held(_)
            | Self::Attempted(_)
            | Self::Deferred(_)
            | Self::Sent(_)
            | Self::DeliveryFailed(_)
            | Self::Uncertain(_)
            | Self::Bounced(_)
            | Self::Cancelled(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        let told_of = |verb: &str, name| about(verb, "an e-mail", "e-mail", name);
        let verb = |verb: &str| told_of(verb, names.name(id));
        Some(match self {
            Self::Submitted(submitted) => {
                let asked = told_of("Asked for", subject_of(&submitted.content));
                addressed(format!("{asked} to be sent"), &everybody(&submitted.content))
            }
            Self::Held(held) if held.scheduled => format!("{} to be sent at {}", verb("Scheduled"), moment(held.until)),
            Self::Held(held) => format!("{} until {}", verb("Held back"), moment(held.until)),
            Self::Attempted(attempted) if attempted.attempt > 1 => {
                format!("{}, attempt {}", verb("Began to send"), attempted.attempt)
            }
            Self::Attempted(_) => verb("Began to send"),
            Self::Deferred(deferred) => format!("{} yet: {}", verb("Could not send"), cut(&deferred.detail)),
            Self::Sent(sent) => addressed(verb("Sent"), &those(&sent.recipients, true)),
            Self::DeliveryFailed(failed) => format!(
                "{}: {}",
                addressed(verb("Could not send"), &those(&failed.recipients, false)),
                cut(&failed.detail)
            ),
            Self::Uncertain(uncertain) => {
                format!("{} was sent: {}", verb("Could not learn whether"), cut(&uncertain.detail))
            }
            Self::Bounced(bounced) => {
                let failed = bounced.recipients.iter().filter(|recipient| recipient.action == Action::Failed);
                let failed: Vec<&str> = failed.map(|recipient| recipient.email.as_str()).collect();
                if failed.is_empty() {
                    return Some(verb("Got a report about the delivery of"));
                }
                addressed(format!("{} could not be delivered", verb("Learnt that")), &failed)
            }
            Self::Cancelled(_) => verb("Cancelled the sending of"),
        })
    }
}

impl Tell for thread::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Merged(_) | Self::Split(_) | Self::Dissolved(_) => None,
        }
    }

    fn sentence(&self, _: Uuid, _: &impl Names) -> Option<String> {
        match self {
            Self::Merged(merged) => Some(format!("Merged {} into one thread", emails(merged.email_ids.len()))),
            Self::Split(split) => Some(format!("Split {} off", emails(split.email_ids.len()))),
            Self::Dissolved(_) => None,
        }
    }
}

impl Tell for folder::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Observed(observed) => Some(&observed.name),
            Self::ResetObserved(_) | Self::Removed(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        let known = names.name(id);
        Some(match self {
            Self::Observed(observed) => match (known, observed.connection_id) {
                (Some(known), _) if known == observed.name => {
                    about("Saw a change of", "a folder", "folder", Some(known))
                }
                (Some(known), _) => {
                    format!("Saw folder {} renamed to {}", quoted(known), quoted(&observed.name))
                }
                (None, Some(_)) => format!("Saw folder {}", quoted(&observed.name)),
                (None, None) => format!("Created folder {}", quoted(&observed.name)),
            },
            Self::ResetObserved(reset) => {
                let found = format!("Found {} again after a reset", emails_of(reset.rematched));
                let found = followed(found, "of folder", known);
                if reset.missing == 0 { found } else { format!("{found}; {} missing", reset.missing) }
            }
            Self::Removed(_) => about("Removed", "a folder", "folder", known),
        })
    }
}

impl Tell for attachment::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Uploaded(uploaded) => Some(&uploaded.filename),
            Self::Discarded(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        Some(match self {
            Self::Uploaded(uploaded) => format!("Uploaded file {}", quoted(&uploaded.filename)),
            Self::Discarded(_) => about("Discarded", "a file", "file", names.name(id)),
        })
    }
}

fn subject_of(content: &Content) -> Option<&str> {
    Some(content.subject.as_str()).filter(|subject| !subject.is_empty())
}

/// A person as a sentence calls them.
fn called(address: &Address) -> &str {
    address.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&address.email)
}

fn everybody(content: &Content) -> Vec<&str> {
    let Content { to, cc, bcc, .. } = content;
    to.iter().chain(cc).chain(bcc).map(called).collect()
}

fn those(recipients: &[Recipient], accepted: bool) -> Vec<&str> {
    recipients.iter().filter(|recipient| recipient.accepted == accepted).map(|it| it.email.as_str()).collect()
}

/// `Sent e-mail “Lunch” to Ada and 2 others`
fn addressed(sentence: String, people: &[&str]) -> String {
    match people {
        [] => sentence,
        [one] => format!("{sentence} to {}", cut(one)),
        [one, _] => format!("{sentence} to {} and 1 other", cut(one)),
        [one, others @ ..] => format!("{sentence} to {} and {} others", cut(one), others.len()),
    }
}

fn emails(count: usize) -> String {
    emails_of(u64::try_from(count).unwrap_or(u64::MAX))
}

fn emails_of(count: u64) -> String {
    if count == 1 { "1 e-mail".to_owned() } else { format!("{count} e-mails") }
}

fn moment(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use orbit_events::Event;

    use super::super::sentence;
    use super::*;

    /// The sentence of a fact's example about something of this name.
    fn told(wire_type: &str, name: &str) -> String {
        let fact = Event::types().find(|fact| fact.wire_type == wire_type).unwrap();
        let event = Event::decode(wire_type, fact.schema_version, fact.example.as_bytes()).unwrap();
        sentence(&event, Uuid::nil(), &HashMap::from([(Uuid::nil(), name)]))
    }

    #[test]
    fn sentences_of_mail_say_what_happened_to_what() {
        for (wire_type, expected) in [
            ("emails.received", "Received e-mail “Re: The engine” from Charles Babbage"),
            ("emails.unread", "Marked e-mail “Lunch” as unread"),
            ("emails.unlabelled", "Took label “Engine” off e-mail “Lunch”"),
            ("emails.trashed", "Put e-mail “Lunch” into the trash"),
            ("emails.snoozed", "Put off e-mail “Lunch” until 2026-11-23 08:00 UTC"),
            ("drafts.drafted", "Drafted e-mail “Re: The engine” to Charles Babbage and 1 other"),
            ("drafts.submitted", "Handed draft “Lunch” over to be sent"),
            ("submissions.submitted", "Asked for e-mail “Re: The engine” to be sent to Charles Babbage and 1 other"),
            ("submissions.held", "Held back e-mail “Lunch” until 2026-11-22 21:00 UTC"),
            ("submissions.sent", "Sent e-mail “Lunch” to charles@example.com"),
            (
                "submissions.delivery_failed",
                "Could not send e-mail “Lunch” to mary@example.net: The server refused every recipient.",
            ),
            ("submissions.bounced", "Got a report about the delivery of e-mail “Lunch”"),
            ("threads.split", "Split 1 e-mail off"),
            ("folders.observed", "Saw folder “Lunch” renamed to “2026”"),
            ("folders.reset_observed", "Found 4700 e-mails again after a reset of folder “Lunch”; 11 missing"),
        ] {
            assert_eq!(told(wire_type, "Lunch"), expected);
        }
    }
}
