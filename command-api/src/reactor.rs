//! Telling the reactor that there is something to do. It looks by itself, too: this only spares the wait.

use std::time::Duration;

use orbit_events::subjects;

/// How long the broker may take to be told. While it is away its client takes messages until it is full.
const PATIENCE: Duration = Duration::from_millis(100);

/// The reactors, wherever they run.
#[derive(Clone, Debug)]
pub struct Reactor {
    nats: async_nats::Client,
    subject: String,
}

impl Reactor {
    /// Those that listen below this prefix.
    pub fn new(nats: async_nats::Client, prefix: &str) -> Self {
        Self { nats, subject: subjects::reactor(prefix) }
    }

    /// Says that there is something to do.
    pub async fn wake(&self) {
        let told = self.nats.publish(self.subject.clone(), Vec::new().into());
        if !matches!(tokio::time::timeout(PATIENCE, told).await, Ok(Ok(()))) {
            tracing::debug!("the reactor was not told of its work; it will find it");
        }
    }
}
