//! Something to watch while the runtime is installed.

use std::{
    io::{IsTerminal, Write},
    sync::Mutex,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Is told how an installation gets on. `()` listens to nothing.
pub trait Progress {
    /// Something worth a line.
    fn says(&self, line: &str);
    /// `done` of `total` bytes have arrived or been unpacked; `done` never goes back.
    fn advances(&self, done: u64, total: u64);
    /// It is over, well or not.
    fn ends(&self);
}

impl Progress for () {
    fn says(&self, _line: &str) {}
    fn advances(&self, _done: u64, _total: u64) {}
    fn ends(&self) {}
}

/// Standard error: a progress bar on a terminal, a line now and then elsewhere.
#[derive(Debug)]
pub struct Terminal {
    bar: Option<ProgressBar>,
    said_percent: Mutex<u64>,
}

impl Terminal {
    /// Nothing is shown until the first progress.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{msg:30} {bar:30} {bytes:>10} of {total_bytes} · {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
            bar
        });
        Self { bar, said_percent: Mutex::new(0) }
    }

    fn line(line: &str) {
        // A closed standard error is no reason to fail.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Terminal {
    fn says(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => Self::line(line),
        }
    }

    fn advances(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            if bar.length() != Some(total) {
                bar.set_length(total);
                bar.set_message("PostgreSQL 18 and NATS 2");
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            bar.set_position(done);
            return;
        }
        let percent = (done * 100 / total.max(1)) / 25 * 25;
        let mut said = self.said_percent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if percent > *said {
            *said = percent;
            Self::line(&format!("  {percent} % ({} of {} MB)", done / 1_000_000, total / 1_000_000));
        }
    }

    fn ends(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
