//! Starting and stopping: every task has a name and an owner that stops it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The life of a process (or of one role in it). Clones share it.
///
/// A task that panics is a bug whose half-done state nobody can vouch for, so the panic is logged and *everything*
/// stops in order; [`finish`](Self::finish) then says which task it was, and whoever started the process starts a new one.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    running: Vec<&'static str>,
    panicked: Option<&'static str>,
}

/// How a process did not stop as it should.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Fault {
    /// A task panicked; its message is in the log.
    #[error("task {0} panicked and everything was stopped; its message is in the log")]
    Panicked(&'static str),
    /// Tasks did not end in time and were left behind.
    #[error("tasks still running after {}: {}", Seconds(*after), tasks.join(", "))]
    Timeout {
        /// How long they were waited for.
        after: Duration,
        /// Their names.
        tasks: Vec<&'static str>,
    },
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f32())
    }
}

impl Shutdown {
    /// A life that ends when it is [triggered](Self::trigger).
    pub fn new() -> Self {
        Self::default()
    }

    /// A life within this one: it ends when this one does, and may end before it. Used for one role of several.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token(), ..Self::default() }
    }

    /// Starts a task under a name. It should return soon after [`cancelled`](Self::cancelled) does.
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_boxed(name, future.boxed());
    }

    /// Not generic: what surrounds a task is compiled once, not for each of them.
    fn spawn_boxed(&self, name: &'static str, future: BoxFuture<'static, ()>) {
        let life = self.clone();
        life.with(|state| state.running.push(name));
        self.start_boxed(Box::pin(async move {
            let outcome = std::panic::AssertUnwindSafe(future).catch_unwind().await;
            life.with(|state| {
                if let Some(at) = state.running.iter().position(|running| *running == name) {
                    state.running.swap_remove(at);
                }
                if outcome.is_err() {
                    state.panicked.get_or_insert(name);
                }
            });
            if outcome.is_err() {
                tracing::error!(task = name, "a task panicked, stopping everything");
                life.trigger();
            }
        }));
    }

    /// Starts one of many short tasks, such as a connection: waited for at the end, but without a name of its own.
    pub(crate) fn start(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.start_boxed(future.boxed());
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place that the others are sent to")]
    fn start_boxed(&self, future: BoxFuture<'static, ()>) {
        tokio::spawn(self.tasks.track_future(future));
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when it is time to stop.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Whether it is time to stop.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// The token behind it, for libraries that take one.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Says that it is time to stop. May be said more than once.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Triggers and waits for all tasks to end, for at most `timeout`.
    pub async fn finish(&self, timeout: Duration) -> Result<(), Fault> {
        self.trigger();
        self.tasks.close();
        let ended = tokio::time::timeout(timeout, self.tasks.wait()).await.is_ok();
        let (panicked, tasks) = self.with(|state| (state.panicked, state.running.clone()));
        match panicked {
            Some(task) => Err(Fault::Panicked(task)),
            None if ended => Ok(()),
            None => Err(Fault::Timeout { after: timeout, tasks }),
        }
    }

    /// Triggers on Ctrl-C and on SIGTERM. A second signal ends the process at once: somebody is in a hurry.
    pub fn on_signals(&self) {
        let life = self.clone();
        // Here and not in the task: a signal that comes before the task has run for the first time would be lost.
        let signals = Signals::listen();
        // Not tracked: it waits for signals as long as the process lives.
        let wait = async move {
            let mut signals = match signals {
                Ok(signals) => signals,
                Err(error) => {
                    tracing::error!(%error, "cannot listen for signals, stopping");
                    return life.trigger();
                }
            };
            let signal = signals.next().await;
            tracing::info!(signal, "stopping");
            life.trigger();
            let signal = signals.next().await;
            tracing::warn!(signal, "stopping at once");
            std::process::exit(130);
        };
        #[expect(clippy::disallowed_methods, reason = "this is the place that the others are sent to")]
        tokio::spawn(wait);
    }
}

/// The signals that ask a process to stop, heard from the moment that this is made.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn tasks_are_told_to_stop_and_waited_for() {
        let shutdown = Shutdown::new();
        let stopped = Arc::new(AtomicBool::new(false));
        let (life, flag) = (shutdown.clone(), stopped.clone());
        shutdown.spawn("worker", async move {
            life.cancelled().await;
            flag.store(true, Ordering::SeqCst);
        });
        assert_eq!(shutdown.finish(SOON).await, Ok(()));
        assert!(stopped.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panicking_task_stops_everything_and_is_named() {
        let shutdown = Shutdown::new();
        shutdown.spawn("steady", {
            let life = shutdown.clone();
            async move { life.cancelled().await }
        });
        shutdown.spawn("shaky", async { panic!("by intent") });
        tokio::time::timeout(SOON, shutdown.cancelled()).await.unwrap();
        assert_eq!(shutdown.finish(SOON).await, Err(Fault::Panicked("shaky")));
    }

    #[tokio::test]
    async fn a_task_that_does_not_stop_is_named() {
        let shutdown = Shutdown::new();
        shutdown.spawn("deaf", std::future::pending());
        let fault = shutdown.finish(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(fault.to_string(), "tasks still running after 0.0 s: deaf");
    }

    #[tokio::test]
    async fn a_child_ends_with_its_parent_but_not_the_other_way_round() {
        let parent = Shutdown::new();
        let (one, other) = (parent.child(), parent.child());
        one.trigger();
        assert!(!parent.is_cancelled() && !other.is_cancelled());
        parent.trigger();
        assert!(other.is_cancelled());
    }
}
