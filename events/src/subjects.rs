//! Where facts travel on NATS, and which partition a user belongs to.
//!
//! A fact's subject is `<prefix>.events.<partition>.<user>.<category>.<fact>`; `prefix` is `orbit` unless set otherwise.

use std::fmt::Write as _;

use crate::UserId;

/// One of the log's partitions, from 0.
pub type Partition = i16;

/// How many partitions a log has; written into `log.head` at install and never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions(pub i16);

impl Partitions {
    /// What a new log gets.
    pub const DEFAULT: Self = Self(8);

    /// The partition of a user: FNV-1a (64 bit) of the id's 16 bytes, modulo the number of partitions.
    ///
    /// Stored with every fact, so it must never change.
    pub fn of(self, user: UserId) -> Partition {
        let hash = user.0.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let partitions = u64::try_from(self.0.max(1)).unwrap_or(1);
        Partition::try_from(hash % partitions).unwrap_or(0)
    }

    /// All of them.
    pub fn all(self) -> impl Iterator<Item = Partition> {
        0..self.0
    }
}

/// Subject of one fact; `wire_type` is `category.fact`.
pub fn fact(prefix: &str, partition: Partition, user: UserId, wire_type: &str) -> String {
    let mut subject = String::with_capacity(prefix.len() + wire_type.len() + 56);
    // Writing to a string does not fail.
    let _ = write!(subject, "{prefix}.events.{partition}.{user}.{wire_type}");
    subject
}

/// All facts.
pub fn all_facts(prefix: &str) -> String {
    format!("{prefix}.events.>")
}

/// Core NATS: the log has grown; the payload is the new head position in decimal.
pub fn appended(prefix: &str) -> String {
    format!("{prefix}.appended")
}

/// Core NATS: a projection's partition has committed; the payload is its new checkpoint in decimal.
pub fn projected(prefix: &str, projection: &str, partition: Partition) -> String {
    format!("{prefix}.projected.{projection}.{partition}")
}

/// All announcements of [`projected`].
pub fn all_projected(prefix: &str) -> String {
    format!("{prefix}.projected.>")
}

/// Core NATS: there is something to do for the reactor. What, it looks for itself.
pub fn reactor(prefix: &str) -> String {
    format!("{prefix}.reactor.wake")
}

/// The stream of an epoch. Stream names allow no dots, subjects no upper limit on them.
pub fn stream_name(prefix: &str, epoch: uuid::Uuid) -> String {
    format!("{}-{}", prefix.replace('.', "-"), epoch.as_simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_a_user_never_changes() {
        let user = |n: u128| UserId(uuid::Uuid::from_u128(n));
        let of = |n| Partitions(8).of(user(n));
        assert_eq!([of(0), of(1), of(2), of(3), of(u128::MAX)], [5, 2, 7, 4, 5]);
    }

    #[test]
    fn a_subject_tells_partition_user_category_and_fact() {
        let user = UserId(uuid::Uuid::from_u128(1));
        assert_eq!(
            fact("orbit", 3, user, "tasks.created"),
            "orbit.events.3.00000000-0000-0000-0000-000000000001.tasks.created"
        );
    }
}
