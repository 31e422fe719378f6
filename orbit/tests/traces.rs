//! One trace from the HTTP write through the log and the relay to the projections, as a collector is sent it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, routing::post};
use common::{TestHome, Up, client, until};
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use orbit_platform::shutdown::Shutdown;
use prost::Message;
use serde_json::json;

const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const CALLER: u64 = 0xb7ad_6b71_6920_3331;

/// The spans that were sent here.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    async fn start(&self, life: &Shutdown) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(collect)).with_state(self.clone());
        life.spawn("collector", async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    /// Spans of our trace.
    fn ours(&self) -> Vec<Span> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|span| span.trace_id == TRACE.to_be_bytes()).cloned().collect()
    }
}

async fn collect(State(collector): State<Collector>, body: Bytes) {
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    let spans = sent.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    collector.0.lock().unwrap().extend(spans.flat_map(|scope| scope.spans));
}

// The collector answers while the test waits for a process.
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_runs_from_the_http_write_through_the_relay_to_the_projections() {
    let (collector, life) = (Collector::default(), Shutdown::new());
    let endpoint = collector.start(&life).await;
    let home = TestHome::new().await;
    let up = Up::start_with(&home, &[], |command| {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    });
    let token = up.register("ada@example.org").await;
    let request = client().post(format!("{}/api/v1/tasks", up.address)).bearer_auth(&token);
    let request = request
        .header("traceparent", format!("00-{TRACE:032x}-{CALLER:016x}-01"))
        .json(&json!({ "title": "Trace me" }));
    assert_eq!(request.send().await.unwrap().status(), 201);

    let expected = [
        "POST /api/v1/tasks",
        "command.tasks.create",
        "log.append",
        "log.relay",
        "projection.tasks.apply",
        "projection.activities.apply",
    ];
    let sent = || collector.ours().into_iter().map(|span| span.name).collect::<Vec<_>>();
    until("all parts of the trace have been sent", async || {
        let sent = sent();
        expected.iter().all(|name| sent.iter().any(|other| other == name))
    })
    .await;

    let spans = collector.ours();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let parent = |name: &str| named(name).parent_span_id.clone();
    let id = |name: &str| named(name).span_id.clone();
    assert_eq!(parent("POST /api/v1/tasks"), CALLER.to_be_bytes(), "the caller's span is the parent of the request's");
    assert_eq!(parent("command.tasks.create"), id("POST /api/v1/tasks"));
    for later in ["log.append", "log.relay", "projection.tasks.apply", "projection.activities.apply"] {
        assert_eq!(parent(later), id("command.tasks.create"), "{later} follows from the command");
    }
    let told = format!("{spans:?}");
    assert!(!told.contains("Trace me") && !told.contains("ada@example.org"), "nothing that a user wrote is in a trace");
    up.stop();
}
