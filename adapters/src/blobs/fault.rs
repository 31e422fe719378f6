//! What can go wrong with blobs.

use std::io;

/// The store could not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The disk did not do it.
    #[error("could not {attempted}")]
    Io {
        /// What was attempted.
        attempted: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What was to be stored did not come to its end.
    #[error("the content could not be read to its end")]
    Content(#[source] io::Error),
    /// There is no such pack: it was deleted, or never stored here.
    #[error("the blob is not there")]
    Missing,
    /// The bytes are not those that were stored there: cut, changed, of another blob, or under another key.
    #[error("the blob is not what was stored")]
    Corrupt,
    /// More than may be stored or read at once.
    #[error("the blob is too large")]
    TooLarge,
}

impl Fault {
    /// A fault of the disk that says what was attempted.
    pub(super) fn io(attempted: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { attempted, source }
    }

    /// The same, where a file that is not there means that the blob is not.
    pub(super) fn or_missing(attempted: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io { attempted, source },
        }
    }

    /// Counts what somebody must look at: bytes that are gone or wrong, a disk that refuses.
    pub(super) fn count(&self) {
        let kind = match self {
            Self::Io { .. } => "io",
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
            Self::Content(_) | Self::TooLarge => return,
        };
        metrics::counter!("orbit_blob_faults_total", "kind" => kind).increment(1);
    }
}

/// Runs work that waits for the disk where waiting harms nobody.
pub(super) async fn blocking<T: Send + 'static>(
    attempted: &'static str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    // The work is cut short only when the process ends, or by a fault of ours in it.
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Fault::Io { attempted, source: io::Error::other(error) }))
}
