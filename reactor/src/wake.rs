//! Being told that there is something to do, so that nobody waits for a poll.

use futures_util::StreamExt;
use orbit_events::subjects;
use orbit_platform::shutdown::Shutdown;
use tokio::sync::watch;

/// Hears of it. Each clone hears every call.
#[derive(Clone, Debug)]
pub struct Wake(watch::Receiver<()>);

impl Wake {
    /// Listens on core NATS until `shutdown`. A call that is lost costs a poll's time.
    pub fn listen(nats: async_nats::Client, prefix: &str, shutdown: &Shutdown) -> Self {
        let (called, hears) = watch::channel(());
        let subject = subjects::reactor(prefix);
        let life = shutdown.clone();
        shutdown.spawn("reactor.wake", async move {
            let mut calls = match nats.subscribe(subject).await {
                Ok(calls) => calls,
                Err(error) => {
                    tracing::warn!(%error, "nobody can wake the reactor, it looks by itself");
                    return life.cancelled().await;
                }
            };
            loop {
                tokio::select! {
                    () = life.cancelled() => return,
                    call = calls.next() => match call {
                        Some(_) => called.send_replace(()),
                        // The client is closed.
                        None => return life.cancelled().await,
                    },
                }
            }
        });
        Self(hears)
    }

    /// Returns when there is something to do.
    pub async fn called(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
