//! Waiting for a condition with a deadline: a test never sleeps for time.

use std::{
    fmt::Debug,
    panic::Location,
    time::{Duration, Instant},
};

/// What a condition may answer: `bool`, `Option` (waits for `Some`) or `Result` (waits for `Ok`; the last error is quoted).
pub trait Outcome {
    /// What is there once the condition holds.
    type Value;
    /// The value, or why it is not there yet.
    fn settle(self) -> Result<Self::Value, String>;
}

impl Outcome for bool {
    type Value = ();

    fn settle(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("it was false".to_owned()) }
    }
}

impl<T> Outcome for Option<T> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.ok_or_else(|| "there was nothing".to_owned())
    }
}

impl<T, E: Debug> Outcome for Result<T, E> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Asks `condition` again and again until it holds, and gives what it gave.
///
/// An answer that hangs counts as none.
///
/// # Panics
/// When it does not hold by the deadline, naming the place of the call and the last answer.
#[track_caller]
pub fn eventually<C, F>(deadline: Duration, mut condition: C) -> impl Future<Output = <F::Output as Outcome>::Value>
where
    C: FnMut() -> F,
    F: Future<Output: Outcome>,
{
    let place = Location::caller();
    async move {
        let began = Instant::now();
        let mut pause = Duration::from_millis(2);
        let mut last = "it never answered".to_owned();
        loop {
            let left = deadline.saturating_sub(began.elapsed());
            match tokio::time::timeout(left, condition()).await.map(Outcome::settle) {
                Ok(Ok(value)) => return value,
                Ok(Err(why)) => last = why,
                Err(_) => {}
            }
            assert!(began.elapsed() < deadline, "{place}: not so within {deadline:?}; at last {last}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending, panic::AssertUnwindSafe};

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn it_gives_what_the_condition_gives_at_last() {
        let asked = Cell::new(0);
        let next = || {
            asked.set(asked.get() + 1);
            let now = asked.get();
            async move { if now < 3 { Err("too early") } else { Ok(now) } }
        };
        assert_eq!(eventually(Duration::from_secs(5), next).await, 3);
        eventually(Duration::from_secs(5), || async { true }).await;
        assert_eq!(eventually(Duration::from_secs(5), || async { Some('x') }).await, 'x');
    }

    #[tokio::test]
    async fn a_condition_that_never_holds_is_named_with_its_place_and_last_answer() {
        let never = eventually(Duration::from_millis(20), || async { Err::<(), _>("still red") });
        let panic = AssertUnwindSafe(never).catch_unwind().await.unwrap_err();
        let said = panic.downcast_ref::<String>().unwrap();
        assert!(said.contains("eventually.rs") && said.contains("still red"), "{said}");
    }

    #[tokio::test]
    async fn a_condition_that_hangs_does_not_hang_the_test() {
        let hangs = eventually(Duration::from_millis(20), pending::<bool>);
        let panic = AssertUnwindSafe(hangs).catch_unwind().await.unwrap_err();
        assert!(panic.downcast_ref::<String>().unwrap().contains("never answered"));
    }
}
