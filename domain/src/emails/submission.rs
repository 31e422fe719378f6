//! A submission: a message from the wish to send it to the last answer. Sending itself happens elsewhere, and says here
//! what it is about to do before it does it; so a message is never sent twice without somebody having decided it.

use chrono::{DateTime, Utc};
use orbit_events::{
    DraftId, EmailId, UserId,
    emails::{
        Action, Address, Attached, BouncedRecipient, Content, Recipient,
        submission::{Attempted, Cancelled, Event, Held},
    },
};
use uuid::Uuid;

use super::SCHEDULE_DAYS;
use crate::{Aggregate, Claim, Context, Fields, aggregate::rejections, undo::Reversal};

mod decide;
mod fields;
mod sheet;

pub use decide::retry_after;
pub use sheet::Sheet;

/// Scope of the claim on a place among what is to be sent: [`due_key`], so that it is found in order of time. While it
/// is being sent, the time is when that is given up for lost.
pub const DUE: &str = "submissions.due";
/// Scope of the claim on a message id, by which a report finds what it is about.
pub const MESSAGE_ID: &str = "submissions.message_id";

/// How often a message is tried: over about two days, see [`retry_after`].
pub const ATTEMPTS: u8 = 20;
/// Why a message is tried again of whose end the server said nothing, though it keeps copies and there is none.
pub const UNANSWERED: &str = "unanswered";
/// Most reports about one message that are recorded.
pub const BOUNCES: usize = 100;

/// The aggregate.
#[derive(Debug)]
pub struct Submission;

/// What is known of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// Somebody wanted it to be sent.
    Wanted {
        /// The message.
        sheet: Box<Sheet>,
        /// How it stands.
        standing: Standing,
    },
}

/// How a message stands that somebody wanted to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Waits until it is to be sent.
    Held {
        /// Until when.
        until: DateTime<Utc>,
        /// Whether the user chose that time.
        scheduled: bool,
    },
    /// Being sent; it may be with the server already.
    Attempting {
        /// When it is lost, if nothing was heard of it.
        lease_until: DateTime<Utc>,
    },
    /// Tried, and to be tried again.
    Deferred {
        /// When.
        until: DateTime<Utc>,
        /// Why.
        reason: Reason,
    },
    /// The server took it, for some recipients at least.
    Sent {
        /// When.
        sent_at: DateTime<Utc>,
    },
    /// The server took it for nobody.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// Nobody knows whether the server took it.
    Uncertain {
        /// What is known, as a sentence.
        detail: String,
    },
    /// Not to be sent after all.
    Cancelled,
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable code.
    pub code: String,
    /// One sentence for the user.
    pub detail: String,
}

impl State {
    /// The message, from the wish to send it on.
    pub fn sheet(&self) -> Option<&Sheet> {
        self.wanted().map(|(sheet, _)| sheet)
    }

    /// The message and how it stands, from the wish to send it on.
    pub fn wanted(&self) -> Option<(&Sheet, &Standing)> {
        match self {
            Self::Absent => None,
            Self::Wanted { sheet, standing } => Some((sheet, standing)),
        }
    }

    /// What becomes of the message that is there; without one, nothing does.
    fn next(self, change: impl FnOnce(&mut Sheet, Standing) -> Standing) -> Self {
        match self {
            Self::Absent => Self::Absent,
            Self::Wanted { mut sheet, standing } => {
                let standing = change(&mut sheet, standing);
                Self::Wanted { sheet, standing }
            }
        }
    }
}

impl Standing {
    /// Whether it was tried and that is the end of it, unless the user says otherwise.
    fn has_failed(&self) -> bool {
        match self {
            Self::Failed { .. } | Self::Uncertain { .. } => true,
            Self::Held { .. }
            | Self::Attempting { .. }
            | Self::Deferred { .. }
            | Self::Sent { .. }
            | Self::Cancelled => false,
        }
    }

    /// When something is to be done about it next: sending it, or looking what became of that.
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Held { until, .. } | Self::Deferred { until, .. } => Some(*until),
            Self::Attempting { lease_until } => Some(*lease_until),
            Self::Sent { .. } | Self::Failed { .. } | Self::Uncertain { .. } | Self::Cancelled => None,
        }
    }

    /// Its name: `held`, `sending`, `deferred`, `sent`, `failed`, `uncertain` or `cancelled`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Attempting { .. } => "sending",
            Self::Deferred { .. } => "deferred",
            Self::Sent { .. } => "sent",
            Self::Failed { .. } => "failed",
            Self::Uncertain { .. } => "uncertain",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What can be asked of a submission. Ids in commands were looked up by the caller. What came of a try names the try, the
/// first of which is 1: whoever looked for what became of a lost one may be late, and says nothing of the one after it. That
/// the server took a message counts whenever it is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Send this, but not yet.
    Submit {
        /// The message.
        submit: Box<Submit>,
        /// When.
        until: DateTime<Utc>,
        /// Whether the user chose that time.
        scheduled: bool,
    },
    /// Send it then and not before.
    Reschedule(DateTime<Utc>),
    /// It is about to be sent.
    Begin {
        /// Which try this will be.
        attempt: u32,
        /// When it is lost, if nothing was heard of it.
        lease_until: DateTime<Utc>,
    },
    /// It could not be sent yet. Tried often enough, that is the end of it. That it was [`UNANSWERED`] is believed once, and is
    /// remembered: whatever else ends it then, nobody knows whether the server took it.
    Defer {
        /// Which try.
        attempt: u32,
        /// Why.
        reason: Reason,
        /// What the server said for good.
        recipients: Vec<Recipient>,
    },
    /// The server took it, or there is a copy among what was sent, which tells that it did for all it was shown to.
    Sent {
        /// Which try.
        attempt: u32,
        /// What the server said about each recipient.
        recipients: Vec<Recipient>,
        /// Whether this is known from the copy.
        found_in_sent: bool,
    },
    /// The server refused it for good.
    Fail {
        /// Which try.
        attempt: u32,
        /// Why.
        reason: Reason,
        /// What the server said about each recipient.
        recipients: Vec<Recipient>,
    },
    /// Nobody knows whether the server took it.
    Uncertain {
        /// Which try.
        attempt: u32,
        /// What is known, as a sentence.
        detail: String,
    },
    /// A report came about it.
    Bounce {
        /// The report.
        email_id: EmailId,
        /// What it says about each recipient. It may call them otherwise than the message did: whoever passes mail on
        /// reports about those whom he passed it on to. What it says of them is kept as it came.
        recipients: Vec<BouncedRecipient>,
    },
    /// Do not send it.
    Cancel,
    /// Send it now after all, to all who have not got it.
    Retry,
}

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    /// What it says: a draft's, or a parsed [`super::Compose`].
    pub content: Content,
    /// Whom it is from.
    pub from: Address,
    /// Its message id, without angle brackets: new with this message.
    pub message_id: String,
    /// Message id of what it answers.
    pub in_reply_to: Option<String>,
    /// Message ids of what went before, oldest first.
    pub references: Vec<String>,
    /// The files.
    pub attachments: Vec<Attached>,
    /// The draft that it was.
    pub draft_id: Option<DraftId>,
}

rejections! {
    /// Why a submission may say no.
    NotFound = "submission_not_found", NotFound, "there is no such message to be sent";
    Exists = "submission_exists", Conflict, "another message with this id is being sent already";
    NoRecipient = "no_recipient", Invalid on "to", "must name at least one address in to, cc or bcc";
    SendInThePast = "send_in_the_past", Invalid on "send_at", "must lie in the future";
    SendTooFar = "send_too_far", Invalid on "send_at", "must lie within {SCHEDULE_DAYS} days";
    NotDue = "submission_not_due", Conflict, "the message is not to be sent yet";
    NotUnderWay = "submission_not_under_way", Conflict, "the message is not being sent";
    UnderWay = "submission_under_way", Conflict, "the message is being sent right now";
    OtherTry = "submission_other_try", Conflict, "the message was tried again meanwhile";
    Over = "submission_over", Conflict, "the message is not waiting to be sent any more";
}

impl Aggregate for Submission {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        decide::decide(state, command, context)
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Submitted(submitted) => {
                // Held follows in the same breath; until then it waits for its own date.
                let standing = Standing::Held { until: submitted.date, scheduled: false };
                State::Wanted { sheet: Box::new(Sheet::of(submitted)), standing }
            }
            Event::Held(Held { until, scheduled }) => state.next(|sheet, before| {
                // Who wants to have it tried again although nobody knows has decided.
                sheet.unanswered &= !matches!(before, Standing::Uncertain { .. });
                sheet.hold(before.has_failed(), scheduled.then_some(*until));
                Standing::Held { until: *until, scheduled: *scheduled }
            }),
            Event::Attempted(Attempted { attempt, lease_until }) => state.next(|sheet, _| {
                sheet.attempts = *attempt;
                sheet.tried = sheet.tried.saturating_add(1);
                Standing::Attempting { lease_until: *lease_until }
            }),
            Event::Deferred(deferred) => state.next(|sheet, _| {
                sheet.results.clone_from(&deferred.recipients);
                sheet.unanswered |= deferred.code == UNANSWERED;
                // A later try was answered, and who has got it is known.
                sheet.unanswered &= !sheet.has_reached_anybody();
                let reason = Reason { code: deferred.code.clone(), detail: deferred.detail.clone() };
                Standing::Deferred { until: deferred.until, reason }
            }),
            Event::Sent(sent) => state.next(|sheet, _| {
                sheet.results.clone_from(&sent.recipients);
                Standing::Sent { sent_at: sent.sent_at }
            }),
            Event::DeliveryFailed(failed) => state.next(|sheet, _| {
                sheet.results.clone_from(&failed.recipients);
                let reason = Reason { code: failed.code.clone(), detail: failed.detail.clone() };
                Standing::Failed { reason }
            }),
            Event::Uncertain(uncertain) => state.next(|_, _| Standing::Uncertain { detail: uncertain.detail.clone() }),
            Event::Bounced(bounced) => state.next(|sheet, standing| {
                sheet.bounces.insert(bounced.email_id);
                sheet.bounced |= says_failed(&bounced.recipients);
                standing
            }),
            Event::Cancelled(Cancelled {}) => state.next(|_, _| Standing::Cancelled),
        }
    }

    fn claims(state: &State, id: Uuid, user: UserId) -> Vec<Claim> {
        let Some((sheet, standing)) = state.wanted() else { return vec![] };
        let due = standing.due_at().map(|at| Claim::ordered(DUE, &[&due_key(at), id.as_bytes()]));
        due.into_iter().chain([message_claim(user, &sheet.message_id)]).collect()
    }

    fn fields(state: &State) -> Fields {
        fields::fields(state)
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Submitted(_)
            | Event::Held(_)
            | Event::Attempted(_)
            | Event::Deferred(_)
            | Event::Sent(_)
            | Event::DeliveryFailed(_)
            | Event::Uncertain(_)
            | Event::Bounced(_)
            | Event::Cancelled(_) => Reversal::Never("cancel it, while it is held"),
        }
    }
}

/// A moment as the beginning of a key in [`DUE`]: earlier moments sort before later ones.
pub fn due_key(at: DateTime<Utc>) -> [u8; 8] {
    // Before 1970 nobody was here; whatever claims so is due.
    u64::try_from(at.timestamp_micros()).unwrap_or(0).to_be_bytes()
}

/// The claim on a message id, by which a submission is found.
pub fn message_claim(user: UserId, message_id: &str) -> Claim {
    Claim::hashed(MESSAGE_ID, &[user.0.as_bytes(), message_id.as_bytes()])
}

/// Whether a report says that somebody does not get it, whoever that is: mail that is passed on fails for others than
/// those whom it was for.
pub fn says_failed(recipients: &[BouncedRecipient]) -> bool {
    recipients.iter().any(|recipient| match recipient.action {
        Action::Failed => true,
        Action::Delayed | Action::Delivered | Action::Relayed | Action::Expanded => false,
    })
}

#[cfg(test)]
mod tests;
