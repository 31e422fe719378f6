//! Load: a number of callers, each doing one thing after the other until the time is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use orbit_platform::shutdown::Shutdown;

/// What a load measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Things done per second.
    pub per_s: f64,
    /// Median of the time each took, in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of it.
    pub p99_ms: f64,
}

/// Runs `callers` at once for `time`. `call` is made once per caller; a failed call fails the bench.
pub async fn load<C, F>(callers: usize, time: Duration, call: C) -> anyhow::Result<Measured>
where
    C: Fn(usize) -> F,
    F: AsyncCall,
{
    let life = Shutdown::new();
    let failures = Arc::new(AtomicU64::new(0));
    let (sender, mut latencies) = tokio::sync::mpsc::channel(callers);
    let begun = Instant::now();
    let until = begun + time;
    for n in 0..callers {
        let (mut caller, sender, failures) = (call(n), sender.clone(), failures.clone());
        life.spawn("bench.caller", async move {
            let mut mine = Vec::with_capacity(4096);
            while Instant::now() < until {
                let started = Instant::now();
                if let Err(error) = caller.call().await {
                    failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "a call failed");
                    break;
                }
                mine.push(started.elapsed());
            }
            // The receiver waits for every caller.
            let _ = sender.send(mine).await;
        });
    }
    drop(sender);
    let mut all = Vec::new();
    while let Some(mine) = latencies.recv().await {
        all.extend(mine);
    }
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(failures.load(Ordering::Relaxed) == 0, "calls failed while measuring; the log says why");
    all.sort_unstable();
    let at = |part: f64| percentile(&all, part);
    Ok(Measured { per_s: count(all.len()) / seconds, p50_ms: at(0.5), p99_ms: at(0.99) })
}

/// One caller's next call.
pub trait AsyncCall: Send + 'static {
    /// Makes it.
    fn call(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// A percentile of sorted durations, in milliseconds.
pub fn percentile(sorted: &[Duration], part: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the length")]
    let index = (count(sorted.len()) * part) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(f64::NAN, |d| d.as_secs_f64() * 1_000.0)
}

/// A count as a number to divide.
#[expect(clippy::cast_precision_loss, reason = "no bench counts beyond 2^52")]
pub fn count(n: usize) -> f64 {
    n as f64
}
