//! The work tables, in which this process keeps book of what it has to do: what goes wrong with them.

/// A book could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{attempt}")]
pub(crate) struct Fault {
    attempt: &'static str,
    #[source]
    source: sqlx::Error,
}

impl Fault {
    /// A fault that says what was attempted.
    pub fn database(attempt: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self { attempt, source }
    }
}
