//! What is being done, on standard error: a moving line on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

/// How often files that grow are looked at.
pub const LOOK: Duration = Duration::from_millis(200);

/// The line. Gone when dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Begins with what is done first.
    pub fn begin(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg}{prefix} · {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    /// Something else is done now.
    pub fn now(&self, what: &'static str) {
        self.bar.set_message(what);
    }

    /// So many bytes are done in all.
    pub fn bytes(&self, bytes: u64) {
        self.bar.set_prefix(format!(" {}", DecimalBytes(bytes)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
