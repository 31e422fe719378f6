//! Which e-mails are one thread.
//!
//! A thread is a connected component of a graph. An e-mail has an edge to its own message id and to each that it refers
//! to, whether or not a message with that id is there; so the order in which they come in cannot matter. By subject, an
//! answer that refers to nothing has edges to what the same people wrote about the same within 30 days. All edges are
//! between pairs and none goes away when something is added: adding a message never separates two.
//!
//! Users may decide otherwise ([`Decision`]): e-mails are split off, which takes their edges from them, or merged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use orbit_events::emails::email::Received;
use sha2::{Digest, Sha256};
use uuid::Uuid;

mod subject;
mod union;

pub use subject::base_subject;
pub use union::Union;

/// For how many days an answer that refers to nothing is known by its subject.
pub const SUBJECT_DAYS: i64 = 30;

/// A message id, a subject or a set of people, for comparison: the first 16 bytes of a SHA-256.
pub type NodeKey = [u8; 16];

/// The key of a message id: trimmed of white space and angle brackets, its case kept.
pub fn node(message_id: &str) -> NodeKey {
    key([message_id.trim_matches(|c: char| c.is_whitespace() || matches!(c, '<' | '>'))])
}

fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> NodeKey {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        // No part holds a line break: addresses and subjects are lines.
        hash.update(b"\n");
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

/// What threads are made of: all of a message that matters for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The e-mail.
    pub id: Uuid,
    /// When it was written.
    pub date: DateTime<Utc>,
    /// Its own message id.
    pub own: Option<NodeKey>,
    /// The message ids that it refers to, each once.
    pub refs: Vec<NodeKey>,
    /// What it is about, without what an answer puts before it; absent, if that says nothing.
    pub subject: Option<NodeKey>,
    /// Who wrote it and whom it is for, as a set.
    pub people: NodeKey,
    /// Whether it calls itself an answer and does not say to what.
    pub bare_reply: bool,
}

impl Message {
    /// An e-mail as it came in.
    pub fn of(id: Uuid, received: &Received) -> Self {
        let ids = received.references.iter().chain(&received.in_reply_to).map(|id| node(id));
        let refs: BTreeSet<NodeKey> = ids.collect();
        let addresses = received.from.iter().chain(&received.to).chain(&received.cc);
        let people: BTreeSet<String> =
            addresses.map(|address| address.email.trim().to_lowercase()).filter(|email| !email.is_empty()).collect();
        let (base, is_reply) = base_subject(received.subject.as_deref().unwrap_or_default());
        // Nobody is not the same people as nobody else.
        let is_known = !base.is_empty() && !people.is_empty();
        Self {
            id,
            date: received.date,
            own: received.message_id.as_deref().map(node),
            bare_reply: is_reply && refs.is_empty(),
            refs: refs.into_iter().collect(),
            subject: is_known.then(|| key([base.as_str()])),
            people: key(people.iter().map(String::as_str)),
        }
    }

    /// Whether the two belong together by what they are about.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.subject.is_some()
            && self.subject == other.subject
            && self.people == other.people
            && (self.bare_reply || other.bare_reply)
            && (self.date - other.date).abs() <= TimeDelta::days(SUBJECT_DAYS)
    }
}

/// What a user decided about threads. The id is that of the decision's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// These e-mails are one thread; those of them that were split off have their edges again.
    Merged(Uuid, Vec<Uuid>),
    /// These e-mails have no edges but to each other.
    Split(Uuid, Vec<Uuid>),
    /// As if that decision had not been.
    Dissolved(Uuid),
}

/// What components are made of. E-mails come before everything else, so that a component with an e-mail in it is
/// represented by its smallest e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// An e-mail; also a thread, which is its smallest e-mail.
    Email(Uuid),
    /// A message id.
    Key(NodeKey),
    /// A decision.
    Decision(Uuid),
}

/// The thread of each e-mail: the smallest id of an e-mail in its component. Decisions come in the order of the log; what
/// they say of e-mails that are not here is passed over.
pub fn threads(messages: &[Message], decisions: &[Decision]) -> BTreeMap<Uuid, Uuid> {
    let placed = placements(decisions);
    let mut union = Union::new();
    let mut natural: Vec<&Message> = Vec::with_capacity(messages.len());
    for message in messages {
        let email = Node::Email(message.id);
        union.add(email);
        let placement = placed.get(&message.id);
        for decision in placement.into_iter().flat_map(|placement| &placement.merged_by) {
            union.unite(email, Node::Decision(*decision));
        }
        if let Some(decision) = placement.and_then(|placement| placement.split_by) {
            union.unite(email, Node::Decision(decision));
            continue;
        }
        for key in message.own.iter().chain(&message.refs) {
            union.unite(email, Node::Key(*key));
        }
        natural.push(message);
    }
    unite_by_subject(&mut union, &natural);
    let thread_of = |message: &Message| match union.least(&Node::Email(message.id)) {
        Some(Node::Email(thread)) => Some((message.id, thread)),
        Some(Node::Key(_) | Node::Decision(_)) | None => None,
    };
    messages.iter().filter_map(thread_of).collect()
}

/// The e-mails that are split off in the end, and by which decision. They have no edges of their own.
pub fn split_off(decisions: &[Decision]) -> HashMap<Uuid, Uuid> {
    placements(decisions).into_iter().filter_map(|(email, placement)| Some((email, placement.split_by?))).collect()
}

/// What decisions say of one e-mail in the end.
#[derive(Debug, Default)]
struct Placement {
    split_by: Option<Uuid>,
    merged_by: Vec<Uuid>,
}

fn placements(decisions: &[Decision]) -> HashMap<Uuid, Placement> {
    let mut placed: HashMap<Uuid, Placement> = HashMap::new();
    for decision in standing(decisions) {
        match decision {
            Decision::Merged(id, emails) => {
                for email in emails {
                    let placement = placed.entry(*email).or_default();
                    placement.split_by = None;
                    placement.merged_by.push(*id);
                }
            }
            Decision::Split(id, emails) => {
                for email in emails {
                    placed.insert(*email, Placement { split_by: Some(*id), merged_by: vec![] });
                }
            }
            Decision::Dissolved(_) => {}
        }
    }
    placed
}

/// The decisions that were not taken back. One that was decided anew stands where that was.
fn standing(decisions: &[Decision]) -> Vec<&Decision> {
    let mut standing: Vec<&Decision> = vec![];
    for decision in decisions {
        let (Decision::Merged(id, _) | Decision::Split(id, _) | Decision::Dissolved(id)) = decision;
        standing.retain(|earlier| match earlier {
            Decision::Merged(known, _) | Decision::Split(known, _) | Decision::Dissolved(known) => known != id,
        });
        standing.push(decision);
    }
    standing
}

/// Unites what [`Message::is_about_the_same`] says of any two, without looking at every two.
fn unite_by_subject(union: &mut Union<Node>, messages: &[&Message]) {
    let mut alike: HashMap<(NodeKey, NodeKey), Vec<&Message>> = HashMap::new();
    for message in messages {
        if let Some(subject) = message.subject {
            alike.entry((subject, message.people)).or_default().push(message);
        }
    }
    for mut group in alike.into_values().filter(|group| group.len() > 1) {
        group.sort_unstable_by_key(|message| (message.date, message.id));
        unite_around_replies(union, &group);
    }
}

/// All that lies within the days around a bare reply is united through it. Both ends only move forward, so each
/// neighbour is united once, however many replies there are.
fn unite_around_replies(union: &mut Union<Node>, by_date: &[&Message]) {
    let window = TimeDelta::days(SUBJECT_DAYS);
    let (mut first, mut united) = (0, 0);
    for reply in by_date.iter().filter(|message| message.bare_reply) {
        while reply.date - by_date[first].date > window {
            first += 1;
        }
        let mut last = first.max(united);
        while last + 1 < by_date.len() && by_date[last + 1].date - reply.date <= window {
            union.unite(Node::Email(by_date[last].id), Node::Email(by_date[last + 1].id));
            last += 1;
        }
        united = last;
    }
}

#[cfg(test)]
mod tests;
