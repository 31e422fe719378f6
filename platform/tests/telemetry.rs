//! Logs, traces and panics of a whole process: what is set up once per process needs one of its own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc,
    time::Duration,
};

use orbit_platform::{
    config::{LogFormat, TelemetryArgs},
    telemetry::{self, Destination, trace::current_traceparent},
};
use serde_json::Value;

/// A collector of traces that tells the first line and the body of what it is sent.
fn collector() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = Vec::new();
            let mut chunk = [0; 16 * 1024];
            let (head, body) = loop {
                let read = stream.read(&mut chunk).unwrap();
                bytes.extend_from_slice(&chunk[..read]);
                let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
                let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let body = &bytes[head.len() + 4..];
                if body.len() >= length.parse().unwrap() {
                    break (head.lines().next().unwrap().to_owned(), body.to_vec());
                }
            };
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            let _ = send.send((head, body));
        }
    });
    (address, receive)
}

#[tokio::test]
async fn a_process_logs_json_exports_its_traces_and_keeps_what_users_wrote_out_of_its_panics() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orbit.log");
    let (endpoint, received) = collector();
    let args = TelemetryArgs { log: "info".to_owned(), log_format: LogFormat::Json, otlp_endpoint: Some(endpoint) };
    let guard = telemetry::init(&args, "orbit-test", &Destination::File(file.clone())).unwrap();

    let traceparent = tracing::info_span!("command.tasks.create", entity = "t1").in_scope(|| {
        tracing::info!(position = 4711, "appended");
        current_traceparent().unwrap()
    });
    for panics in [|| panic!("a literal"), || panic!("{}", "a title that somebody wrote")] as [fn(); 2] {
        assert!(std::thread::spawn(panics).join().is_err());
    }
    drop(guard);

    let (head, body) = received.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(head, "post /v1/traces http/1.1");
    let contains = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    assert!(contains(b"command.tasks.create") && contains(b"orbit-test"));
    let trace_id: Vec<u8> =
        (3..35).step_by(2).map(|at| u8::from_str_radix(&traceparent[at..at + 2], 16).unwrap()).collect();
    assert!(contains(&trace_id), "the trace in the header is the one that was sent");

    let log = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let appended = lines.iter().find(|line| line["message"] == "appended").unwrap();
    assert_eq!((&appended["position"], &appended["span"]["name"]), (&4711.into(), &"command.tasks.create".into()));
    let panics: Vec<_> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(panics.len(), 2);
    assert!(panics[0]["place"].as_str().unwrap().contains("telemetry.rs"));
    assert!(log.contains("a literal") && !log.contains("somebody wrote"), "{log}");
}
