//! What follows from a command to a submission.

use chrono::{DateTime, TimeDelta, Utc};
use orbit_events::{
    EmailId,
    emails::{
        BOUNCED, BouncedRecipient, Recipient,
        submission::{
            Attempted, Bounced, Cancelled, Deferred, DeliveryFailed, Event, Held, Sent, Submitted, Uncertain,
        },
    },
};

use super::{ATTEMPTS, BOUNCES, Command, Reason, Rejection, SCHEDULE_DAYS, Sheet, Standing, State, Submit, UNANSWERED};
use crate::{Context, emails::values::cut, values::author};

/// Most characters of what a server said.
const DETAIL: usize = 300;

type Facts = Result<Vec<Event>, Rejection>;

pub(super) fn decide(state: &State, command: Command, context: &Context) -> Facts {
    match command {
        Command::Submit { submit, until, scheduled } => submission(state, *submit, Held { until, scheduled }, context),
        Command::Reschedule(until) => rescheduling(state, until, context.now),
        Command::Begin { attempt, lease_until } => beginning(state, attempt, lease_until, context.now),
        Command::Defer { attempt, reason, recipients } => {
            Ok(vec![deferral(under_way(state, attempt)?, &reason, recipients, context.now)])
        }
        Command::Sent { attempt, recipients, found_in_sent } => {
            sending(state, attempt, recipients, found_in_sent, context.now)
        }
        Command::Fail { attempt, reason, recipients } => {
            if let Some((_, Standing::Failed { .. })) = state.wanted() {
                return Ok(vec![]);
            }
            let sheet = under_way(state, attempt)?;
            let recipients = refused(sheet, recipients, &reason);
            Ok(vec![conclusion(recipients, &reason, sheet.unanswered, context.now)])
        }
        Command::Uncertain { attempt, detail } => {
            if let Some((_, Standing::Uncertain { .. })) = state.wanted() {
                return Ok(vec![]);
            }
            under_way(state, attempt).map(|_| vec![Uncertain { detail: cut(&detail, DETAIL) }.into()])
        }
        Command::Bounce { email_id, recipients } => bounce(state, email_id, recipients),
        Command::Cancel => cancellation(state),
        Command::Retry => retry(state, context.now),
    }
}

fn wanted(state: &State) -> Result<(&Sheet, &Standing), Rejection> {
    state.wanted().ok_or(Rejection::NotFound)
}

/// How long to wait after so many tries: minutes at first, then hours; [`ATTEMPTS`] tries are about two days.
pub fn retry_after(tried: u32) -> TimeDelta {
    const MINUTES: [i64; 8] = [1, 2, 5, 10, 20, 40, 60, 60];
    let gap = usize::try_from(tried.saturating_sub(1)).ok().and_then(|index| MINUTES.get(index));
    gap.map_or(TimeDelta::hours(4), |minutes| TimeDelta::minutes(*minutes))
}

fn submission(state: &State, submit: Submit, held: Held, context: &Context) -> Facts {
    if let Some(sheet) = state.sheet() {
        let same = sheet.message_id == submit.message_id && sheet.content == submit.content;
        return if same { Ok(vec![]) } else { Err(Rejection::Exists) };
    }
    let nobody = submit.content.to.is_empty() && submit.content.cc.is_empty() && submit.content.bcc.is_empty();
    if nobody {
        return Err(Rejection::NoRecipient);
    }
    check_far(held.until, context.now)?;
    let submitted = Submitted {
        content: submit.content,
        from: submit.from,
        message_id: submit.message_id,
        in_reply_to: submit.in_reply_to,
        references: submit.references,
        attachments: submit.attachments,
        draft_id: submit.draft_id,
        date: context.now,
        attempts_at_most: ATTEMPTS,
        created_by: author(&context.actor),
    };
    Ok(vec![submitted.into(), held.into()])
}

fn check_far(until: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Rejection> {
    if until - now > TimeDelta::days(SCHEDULE_DAYS) { Err(Rejection::SendTooFar) } else { Ok(()) }
}

fn rescheduling(state: &State, until: DateTime<Utc>, now: DateTime<Utc>) -> Facts {
    match wanted(state)?.1 {
        Standing::Held { until: known, scheduled: true } if *known == until => Ok(vec![]),
        Standing::Held { .. } | Standing::Deferred { .. } if until <= now => Err(Rejection::SendInThePast),
        Standing::Held { .. } | Standing::Deferred { .. } => {
            check_far(until, now)?;
            Ok(vec![Held { until, scheduled: true }.into()])
        }
        Standing::Attempting { .. } => Err(Rejection::UnderWay),
        Standing::Sent { .. } | Standing::Failed { .. } | Standing::Uncertain { .. } | Standing::Cancelled => {
            Err(Rejection::Over)
        }
    }
}

fn beginning(state: &State, attempt: u32, lease_until: DateTime<Utc>, now: DateTime<Utc>) -> Facts {
    let (sheet, standing) = wanted(state)?;
    match standing {
        Standing::Held { until, .. } | Standing::Deferred { until, .. } if *until > now => Err(Rejection::NotDue),
        // Somebody tried it since, and who has got it may be known now.
        Standing::Held { .. } | Standing::Deferred { .. } if attempt != sheet.next_attempt() => {
            Err(Rejection::OtherTry)
        }
        Standing::Held { .. } | Standing::Deferred { .. } => Ok(vec![Attempted { attempt, lease_until }.into()]),
        Standing::Attempting { .. } => Err(Rejection::UnderWay),
        Standing::Sent { .. } | Standing::Failed { .. } | Standing::Uncertain { .. } | Standing::Cancelled => {
            Err(Rejection::Over)
        }
    }
}

/// The message, if it is this try of it that is under way.
fn under_way(state: &State, attempt: u32) -> Result<&Sheet, Rejection> {
    let (sheet, standing) = wanted(state)?;
    match standing {
        Standing::Attempting { .. } => of_try(sheet, attempt),
        Standing::Held { .. }
        | Standing::Deferred { .. }
        | Standing::Sent { .. }
        | Standing::Failed { .. }
        | Standing::Uncertain { .. }
        | Standing::Cancelled => Err(Rejection::NotUnderWay),
    }
}

fn of_try(sheet: &Sheet, attempt: u32) -> Result<&Sheet, Rejection> {
    if sheet.attempts == attempt { Ok(sheet) } else { Err(Rejection::OtherTry) }
}

fn deferral(sheet: &Sheet, reason: &Reason, recipients: Vec<Recipient>, now: DateTime<Utc>) -> Event {
    let is_unanswered = reason.code == UNANSWERED;
    let results = sheet.with_results(&told(recipients));
    let is_decided = Sheet { results: results.clone(), ..sheet.clone() }.outstanding().is_empty();
    let is_the_last = sheet.tried >= u32::from(sheet.attempts_at_most) || (sheet.unanswered && is_unanswered);
    if is_decided || is_the_last {
        return conclusion(refused(sheet, results, reason), reason, sheet.unanswered || is_unanswered, now);
    }
    let Reason { code, detail } = reason.clone();
    let until = now + retry_after(sheet.tried);
    Deferred { until, code, detail: cut(&detail, DETAIL), recipients: results }.into()
}

fn sending(state: &State, attempt: u32, recipients: Vec<Recipient>, found_in_sent: bool, now: DateTime<Utc>) -> Facts {
    // What the server itself said of a try is so however late it is heard; a copy tells only of the last.
    let (sheet, standing) = wanted(state)?;
    let was_told = !found_in_sent && (1..=sheet.attempts).contains(&attempt);
    let sheet = match standing {
        Standing::Sent { .. } => return Ok(vec![]),
        Standing::Held { .. }
        | Standing::Attempting { .. }
        | Standing::Deferred { .. }
        | Standing::Uncertain { .. }
            if was_told =>
        {
            sheet
        }
        Standing::Uncertain { .. } => of_try(sheet, attempt)?,
        Standing::Held { .. }
        | Standing::Attempting { .. }
        | Standing::Deferred { .. }
        | Standing::Failed { .. }
        | Standing::Cancelled => under_way(state, attempt)?,
    };
    let recipients = complete(sheet, recipients, true, None);
    if recipients.iter().any(|recipient| recipient.accepted) {
        return Ok(vec![Sent { sent_at: now, recipients, found_in_sent }.into()]);
    }
    let (code, detail) = ("refused".to_owned(), "The server refused every recipient.".to_owned());
    Ok(vec![DeliveryFailed { code, detail, recipients }.into()])
}

/// Results for every recipient; those about whom nothing was said were refused with the message.
fn refused(sheet: &Sheet, recipients: Vec<Recipient>, reason: &Reason) -> Vec<Recipient> {
    complete(sheet, recipients, false, Some(&cut(&reason.detail, DETAIL)))
}

fn complete(sheet: &Sheet, recipients: Vec<Recipient>, accepted: bool, detail: Option<&str>) -> Vec<Recipient> {
    let sheet = Sheet { results: sheet.with_results(&told(recipients)), ..sheet.clone() };
    let others = sheet.outstanding().into_iter().map(|email| Recipient {
        email: email.to_owned(),
        accepted,
        code: None,
        detail: detail.map(str::to_owned),
    });
    let others: Vec<Recipient> = others.collect();
    sheet.results.into_iter().chain(others).collect()
}

/// The end: sent, if the server took it for anybody in any of the tries; if it did not answer one, nobody knows.
fn conclusion(recipients: Vec<Recipient>, reason: &Reason, unanswered: bool, now: DateTime<Utc>) -> Event {
    if recipients.iter().any(|recipient| recipient.accepted) {
        return Sent { sent_at: now, recipients, found_in_sent: false }.into();
    }
    if unanswered {
        let detail =
            format!("The server did not answer a try, in which it may have taken the message. {}", reason.detail);
        return Uncertain { detail: cut(&detail, DETAIL) }.into();
    }
    let Reason { code, detail } = reason.clone();
    DeliveryFailed { code, detail: cut(&detail, DETAIL), recipients }.into()
}

/// What a server said, as one line each.
fn told(mut recipients: Vec<Recipient>) -> Vec<Recipient> {
    for recipient in &mut recipients {
        recipient.detail = recipient.detail.as_deref().map(|detail| cut(detail, DETAIL));
    }
    recipients
}

fn bounce(state: &State, email_id: EmailId, mut recipients: Vec<BouncedRecipient>) -> Facts {
    let (sheet, _) = wanted(state)?;
    // Of what never left nobody has anything to report: whoever says so has made it up.
    let never_left = sheet.attempts == 0;
    if never_left || sheet.bounces.contains(&email_id) || sheet.bounces.len() >= BOUNCES {
        return Ok(vec![]);
    }
    recipients.truncate(BOUNCED);
    Ok(vec![Bounced { email_id, recipients }.into()])
}

fn cancellation(state: &State) -> Facts {
    match wanted(state)?.1 {
        Standing::Held { .. } | Standing::Deferred { .. } | Standing::Uncertain { .. } => Ok(vec![Cancelled {}.into()]),
        Standing::Attempting { .. } => Err(Rejection::UnderWay),
        Standing::Sent { .. } | Standing::Failed { .. } => Err(Rejection::Over),
        Standing::Cancelled => Ok(vec![]),
    }
}

fn retry(state: &State, now: DateTime<Utc>) -> Facts {
    match wanted(state)?.1 {
        Standing::Held { .. } => Ok(vec![]),
        Standing::Deferred { .. } | Standing::Failed { .. } | Standing::Uncertain { .. } => {
            Ok(vec![Held { until: now, scheduled: false }.into()])
        }
        Standing::Attempting { .. } => Err(Rejection::UnderWay),
        Standing::Sent { .. } | Standing::Cancelled => Err(Rejection::Over),
    }
}
