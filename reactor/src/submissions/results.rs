//! What a server said, as facts tell it.

use orbit_adapters::{
    net,
    smtp::{Delivery, Recipient, Reply},
};
use orbit_domain::emails::submission::Reason;
use orbit_events::emails;

/// What is final about recipients: those that the server has taken the message for, and those that it never will.
/// With `found`, a copy tells that it took it for all that it had said yes to, though its answer was lost.
pub(super) fn finals(delivery: &Delivery, found: bool) -> Vec<emails::Recipient> {
    let all = delivery.recipients.iter().map(|recipient| (recipient, accepted(recipient, found)));
    all.filter(|(recipient, accepted)| *accepted || recipient.reply.as_ref().is_some_and(Reply::is_permanent))
        .map(|(recipient, accepted)| emails::Recipient {
            email: recipient.email.clone(),
            accepted,
            code: recipient.reply.as_ref().map(|reply| reply.code),
            detail: recipient.reply.as_ref().map(|reply| reply.text.clone()),
        })
        .collect()
}

/// Why some are tried again: what the server said of the first about whom nothing is final.
pub(super) fn open(delivery: &Delivery, found: bool) -> Option<Reason> {
    let mut open = delivery.recipients.iter().filter(|recipient| !accepted(recipient, found));
    open.find_map(|recipient| recipient.reply.as_ref().filter(|reply| !reply.is_permanent()).map(reason))
}

fn accepted(recipient: &Recipient, found: bool) -> bool {
    recipient.accepted || (found && recipient.reply.is_none())
}

pub(super) fn reason(reply: &Reply) -> Reason {
    Reason { code: format!("smtp_{}", reply.code), detail: format!("The server said: {}", reply.text) }
}

pub(super) fn fault(fault: &net::Fault) -> Reason {
    Reason { code: fault.code().to_owned(), detail: format!("It could not be sent: {fault}.") }
}
