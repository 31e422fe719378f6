//! A message that is to be sent, and what is known about each of its recipients.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use orbit_events::{
    DraftId, EmailId,
    emails::{Address, Attached, Author, Content, Recipient, submission::Submitted},
};

/// A message and what became of it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// What it says.
    pub content: Content,
    /// Whom it is from.
    pub from: Address,
    /// Its message id, without angle brackets.
    pub message_id: String,
    /// Message id of what it answers.
    pub in_reply_to: Option<String>,
    /// Message ids of what went before, oldest first.
    pub references: Vec<String>,
    /// The files.
    pub attachments: Vec<Attached>,
    /// The draft that it was.
    pub draft_id: Option<DraftId>,
    /// The date that it bears: when somebody wanted it to be sent, or the time they chose for that.
    pub date: DateTime<Utc>,
    /// How often it is tried.
    pub attempts_at_most: u8,
    /// Who wanted it.
    pub created_by: Author,
    /// How often it was tried in all.
    pub attempts: u32,
    /// How often it was tried since the user last said so.
    pub tried: u32,
    /// Whether a try went [unanswered](super::UNANSWERED), and nothing is known since of whom it reached.
    pub unanswered: bool,
    /// What the server said for good, for each recipient.
    pub results: Vec<Recipient>,
    /// Reports about it.
    pub bounces: BTreeSet<EmailId>,
    /// Whether one of them says that somebody does not get it. That it is late, or has arrived, says no such thing.
    pub bounced: bool,
}

impl Sheet {
    pub(super) fn of(submitted: &Submitted) -> Self {
        Self {
            content: submitted.content.clone(),
            from: submitted.from.clone(),
            message_id: submitted.message_id.clone(),
            in_reply_to: submitted.in_reply_to.clone(),
            references: submitted.references.clone(),
            attachments: submitted.attachments.clone(),
            draft_id: submitted.draft_id,
            date: submitted.date,
            attempts_at_most: submitted.attempts_at_most,
            created_by: submitted.created_by,
            attempts: 0,
            tried: 0,
            unanswered: false,
            results: vec![],
            bounces: BTreeSet::new(),
            bounced: false,
        }
    }

    /// Addresses of all recipients, each once.
    pub fn recipients(&self) -> Vec<&str> {
        let Content { to, cc, bcc, .. } = &self.content;
        let mut known = HashSet::new();
        let all = to.iter().chain(cc).chain(bcc).map(|address| address.email.as_str());
        all.filter(|email| known.insert(email.to_lowercase())).collect()
    }

    /// Addresses of those about whom the server has not decided: the envelope of the next attempt.
    pub fn outstanding(&self) -> Vec<&str> {
        let decided: HashSet<String> = self.results.iter().map(|result| result.email.to_lowercase()).collect();
        self.recipients().into_iter().filter(|email| !decided.contains(&email.to_lowercase())).collect()
    }

    /// Whether anybody is known to have got it.
    pub fn has_reached_anybody(&self) -> bool {
        self.results.iter().any(|result| result.accepted)
    }

    /// Which try the next one is.
    pub fn next_attempt(&self) -> u32 {
        self.attempts.saturating_add(1)
    }

    /// What was known about recipients, and now these results too. That somebody has got it holds whatever is said
    /// later; what is said about others than the recipients is nothing to us.
    pub(super) fn with_results(&self, results: &[Recipient]) -> Vec<Recipient> {
        let recipients: HashSet<String> = self.recipients().into_iter().map(str::to_lowercase).collect();
        let mut known: BTreeMap<String, &Recipient> = BTreeMap::new();
        for result in self.results.iter().chain(results) {
            let email = result.email.to_lowercase();
            let has_got_it = known.get(&email).is_some_and(|known| known.accepted);
            if recipients.contains(&email) && !has_got_it {
                known.insert(email, result);
            }
        }
        known.into_values().cloned().collect()
    }

    /// It waits, for this time if the user chose it. After it had failed, those who were refused are tried again.
    pub(super) fn hold(&mut self, failed: bool, chosen: Option<DateTime<Utc>>) {
        self.tried = 0;
        if failed {
            self.results.retain(|result| result.accepted);
        }
        // What has left bears a date already, and a second try must not differ from the first.
        self.date = chosen.filter(|_| self.attempts == 0).unwrap_or(self.date);
    }
}
