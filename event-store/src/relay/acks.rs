//! Which messages ask for an ack, and what the acks say.

use std::{collections::VecDeque, time::Duration};

use async_nats::Subscriber;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{RelayFault, message};
use crate::outgoing::Outgoing;

/// How long an ack may take. Starting over harms nobody, and after a broken connection nothing else tells of lost acks.
pub(super) const ACK_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of payload after which an ack is asked for within a batch too: a broker that takes long over large facts still
/// says in time that it is there.
const SILENT: usize = 1024 * 1024;

/// Acks on their way, in the order in which they were asked for.
pub(super) struct Acks {
    inbox: String,
    coming: Subscriber,
    /// Positions whose messages asked for one.
    asked: VecDeque<i64>,
    /// Bytes of payload since then.
    silent: usize,
    /// Everything up to here is in the stream.
    acked: i64,
}

impl Acks {
    /// Acks that come over `coming`, of subjects below `inbox`, once everything up to `acked` is in the stream.
    pub fn new(inbox: String, coming: Subscriber, acked: i64) -> Self {
        Self { inbox, coming, asked: VecDeque::new(), silent: 0, acked }
    }

    /// Where the ack of this fact is to go, if it is to ask for one.
    pub fn ask(&mut self, fact: &Outgoing, is_last: bool) -> Option<String> {
        self.silent += fact.data.len();
        if !is_last && self.silent < SILENT {
            return None;
        }
        self.silent = 0;
        self.asked.push_back(fact.position);
        Some(format!("{}.{}", self.inbox, fact.position))
    }

    /// Takes acks until at most `open` messages are not known to be in the stream. The sequence of each must be its
    /// position: the stream took it only because it ended right before, and so with all the others.
    pub async fn collect(&mut self, published: i64, open: i64) -> Result<(), RelayFault> {
        while published - self.acked > open
            && let Some(expected) = self.asked.pop_front()
        {
            let ack = timeout(ACK_TIMEOUT, self.coming.next()).await.map_err(|_| RelayFault::NoAck(expected))?;
            let (position, sequence) = message::acknowledged(&ack.ok_or(RelayFault::NoAck(expected))?)?;
            if sequence != position || position != expected {
                return Err(RelayFault::OutOfStep { position, sequence });
            }
            metrics::counter!("orbit_relayed_events_total").increment((position - self.acked).unsigned_abs());
            self.acked = position;
        }
        Ok(())
    }
}
