//! Metrics, kept in the process and handed out as Prometheus text.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::shutdown::Shutdown;

/// The media type of what [`render`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bounds of every histogram whose name ends in `_seconds`: from half a millisecond (an append) to ten seconds (a timeout).
const SECONDS: [f64; 14] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of every histogram of counts (`_size`, `_events`): batches are at most some thousands.
const COUNTS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 5_000.0];

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder for this process. Further calls do nothing; a recorder that somebody else installed stays.
pub fn install() {
    HANDLE.get_or_init(|| {
        let recorder = recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed, ours stays empty");
        }
        handle
    });
}

/// A recorder with our buckets, for tests that look at what was recorded (`metrics::with_local_recorder`).
///
/// # Panics
/// Never: the bounds are written above and not empty.
pub fn recorder() -> PrometheusRecorder {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &COUNTS))
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_events".to_owned()), &COUNTS));
    builder.expect("the bounds are not empty").build_recorder()
}

/// All metrics of this process as Prometheus text.
pub fn render() -> String {
    HANDLE.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds what histograms have gathered into their buckets now and then, so that memory stays bounded when nobody scrapes.
pub fn start_upkeep(shutdown: &Shutdown) {
    let life = shutdown.clone();
    shutdown.spawn("metrics upkeep", async move {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        loop {
            tokio::select! {
                () = life.cancelled() => return,
                _ = every.tick() => if let Some(handle) = HANDLE.get() { handle.run_upkeep() },
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_buckets() {
        let recorder = recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("orbit_append_seconds").record(Duration::from_millis(3));
            metrics::histogram!("orbit_append_batch_size").record(7.0);
            metrics::counter!("orbit_append_conflicts_total").increment(1);
        });
        let text = handle.render();
        assert!(text.contains("orbit_append_seconds_bucket{le=\"0.0025\"} 0"), "{text}");
        assert!(text.contains("orbit_append_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(text.contains("orbit_append_batch_size_bucket{le=\"10\"} 1"), "{text}");
        assert!(text.contains("orbit_append_conflicts_total 1"), "{text}");
    }

    #[tokio::test]
    async fn the_recorder_is_installed_once_and_renders() {
        install();
        install();
        metrics::counter!("orbit_test_total").increment(1);
        assert!(render().contains("orbit_test_total 1"));
        let shutdown = Shutdown::new();
        start_upkeep(&shutdown);
        shutdown.finish(Duration::from_secs(5)).await.unwrap();
    }
}
