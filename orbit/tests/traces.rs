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

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

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
        all.iter().filter(|span| hex(&span.trace_id) == TRACE).cloned().collect()
    }
}

async fn collect(State(collector): State<Collector>, body: Bytes) {
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    let spans = sent.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    collector.0.lock().unwrap().extend(spans.flat_map(|scope| scope.spans));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
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
    let request =
        request.header("traceparent", format!("00-{TRACE}-{CALLER}-01")).json(&json!({ "title": "Trace me" }));
    assert_eq!(request.send().await.unwrap().status(), 201);

    let expected = [
        "POST /api/v1/tasks",
        "command.tasks.create",
        "log.append",
        "log.relay",
        "projection.tasks.apply",
        "projection.activities.apply",
    ];
    let names = || collector.ours().into_iter().map(|span| span.name).collect::<Vec<_>>();
    until("all parts of the trace have been sent", async || {
        let names = names();
        expected.iter().all(|name| names.iter().any(|sent| sent == name))
    })
    .await;

    let spans = collector.ours();
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let parent = |name: &str| hex(&find(name).parent_span_id);
    let id = |name: &str| hex(&find(name).span_id);
    assert_eq!(parent("POST /api/v1/tasks"), CALLER, "the caller's span is the parent of the request's");
    assert_eq!(parent("command.tasks.create"), id("POST /api/v1/tasks"));
    for later in ["log.append", "log.relay", "projection.tasks.apply", "projection.activities.apply"] {
        assert_eq!(parent(later), id("command.tasks.create"), "{later} follows from the command");
    }
    let told = format!("{spans:?}");
    assert!(!told.contains("Trace me") && !told.contains("ada@example.org"), "nothing that a user wrote is in a trace");
    up.stop();
}
