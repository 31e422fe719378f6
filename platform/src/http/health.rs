//! `/health`, `/health/ready` and `/metrics`: whether the process lives, whether it can work, and how it does.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};
use tokio::{sync::Mutex, time::Instant};

use crate::{postgres::Pool, telemetry::metrics};

/// How long a probe may take before its subject counts as away.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long a result is good for: whoever asks more often gets the same one.
const FRESH: Duration = Duration::from_secs(1);

/// A question that must be answered with yes before a process is ready.
pub struct Probe {
    name: &'static str,
    ask: Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Probe {
    /// A probe of `name` (`postgres`, `nats`, `projections`). What `ask` says when it fails is logged, not shown.
    pub fn new<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, ask: Box::new(move || Box::pin(ask())), last: Mutex::new(None) }
    }

    /// Whether the database answers.
    pub fn postgres(pool: Pool) -> Self {
        Self::new("postgres", move || {
            let pool = pool.clone();
            async move { crate::postgres::ping(&pool).await.map_err(|error| error.to_string()) }
        })
    }

    /// Whether the broker answers.
    pub fn nats(client: async_nats::Client) -> Self {
        Self::new("nats", move || {
            let client = client.clone();
            async move { crate::nats::ping(&client).await }
        })
    }

    async fn result(&self) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if let Some((_, result)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return result.clone();
        }
        let asked = tokio::time::timeout(DEADLINE, (self.ask)()).await;
        let result = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())));
        let was_well = last.as_ref().is_none_or(|(_, result)| result.is_ok());
        match &result {
            Err(reason) if was_well => tracing::warn!(probe = self.name, reason, "not ready"),
            Ok(()) if !was_well => tracing::info!(probe = self.name, "ready again"),
            Ok(()) | Err(_) => {}
        }
        ::metrics::gauge!("orbit_ready", "probe" => self.name).set(if result.is_ok() { 1.0 } else { 0.0 });
        *last = Some((Instant::now(), result.clone()));
        result
    }
}

/// `/health`, `/health/ready` and `/metrics`, at the root.
pub fn router(probes: Vec<Probe>) -> Router {
    Router::new()
        .route("/health", get(|| async { Json(json!({ "status": "healthy" })) }))
        .route("/health/ready", get(ready))
        .with_state(Arc::new(probes))
        .route("/metrics", get(|| async { ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render()) }))
}

/// 200 if every probe is well, else 503 that names each one that is not.
async fn ready(State(probes): State<Arc<Vec<Probe>>>) -> Response {
    let results = join_all(probes.iter().map(Probe::result)).await;
    let well = results.iter().all(Result::is_ok);
    let named = probes.iter().zip(&results);
    let checks: Map<_, Value> = named
        .clone()
        .map(|(probe, result)| (probe.name.to_owned(), json!(if result.is_ok() { "ok" } else { "unavailable" })))
        .collect();
    if well {
        return Json(json!({ "status": "ready", "checks": checks })).into_response();
    }
    let culprits: Vec<_> = named.filter(|(_, result)| result.is_err()).map(|(probe, _)| probe.name).collect();
    let body = Json(json!({ "status": "unavailable", "culprits": culprits, "checks": checks }));
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use axum::{
        body::{Body, to_bytes},
        extract::Request,
    };
    use tower::ServiceExt;

    use super::*;

    async fn get(app: &Router, path: &str) -> (u16, Value) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn ready_names_the_culprit_in_time_and_recovers() {
        let hangs = Arc::new(AtomicBool::new(true));
        let asked = Arc::new(AtomicUsize::new(0));
        let (flag, count) = (hangs.clone(), asked.clone());
        let nats = Probe::new("nats", move || {
            count.fetch_add(1, Ordering::SeqCst);
            let hangs = flag.load(Ordering::SeqCst);
            async move { if hangs { std::future::pending().await } else { Ok(()) } }
        });
        let app = router(vec![Probe::new("postgres", || async { Ok(()) }), nats]);
        assert_eq!(get(&app, "/health").await, (200, json!({ "status": "healthy" })));

        let begun = tokio::time::Instant::now();
        let (status, body) = get(&app, "/health/ready").await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(status, 503);
        assert_eq!(body["culprits"], json!(["nats"]));
        assert_eq!(body["checks"], json!({ "postgres": "ok", "nats": "unavailable" }));

        hangs.store(false, Ordering::SeqCst);
        get(&app, "/health/ready").await;
        assert_eq!(asked.load(Ordering::SeqCst), 1, "a fresh result is not asked for again");
        tokio::time::advance(FRESH).await;
        assert_eq!(get(&app, "/health/ready").await.0, 200);
    }
}
