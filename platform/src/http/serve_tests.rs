//! Tests of the server, over real connections.

use std::sync::Arc;

use axum::routing::get;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

use super::*;
use crate::http::address::ClientAddress;

const SOON: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    shutdown: Shutdown,
    ended: tokio::sync::oneshot::Receiver<()>,
    entered: Arc<Notify>,
    leave: Arc<Notify>,
}

async fn server(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (entering, leaving) = (entered.clone(), leave.clone());
    let waits = get(move || async move {
        entering.notify_one();
        leaving.notified().await;
        "waited"
    });
    let router = Router::new()
        .route("/address", get(|info: ConnectInfo<SocketAddr>| async move { info.0.ip().to_string() }))
        .route("/client", get(|address: ClientAddress| async move { address.0.to_string() }))
        .route("/endless", get(endless))
        // Longer in all than any limit, never silent for as long as one.
        .route("/drips", get(drips))
        // More than the kernel keeps for a client that does not read.
        .route("/large", get(|| async { vec![0_u8; 64 << 20] }))
        .route("/waits", waits);
    let (shutdown, life) = (Shutdown::new(), Shutdown::new());
    let (end, ended) = tokio::sync::oneshot::channel();
    let stop = shutdown.clone();
    life.spawn("server", async move {
        serve_within(limits, listener, router, &stop).await;
        let _ = end.send(());
    });
    Server { address, shutdown, ended, entered, leave }
}

/// Says something at once, and nothing more until the server stops.
async fn endless(stopping: Stopping) -> Body {
    let said = futures_util::stream::unfold((0, stopping), |(said, stopping)| async move {
        match said {
            0 => return Some((Ok::<_, io::Error>("begun\n"), (1, stopping))),
            1 => stopping.asked().await,
            _ => return None,
        }
        Some((Ok("ended\n"), (2, stopping)))
    });
    Body::from_stream(said)
}

async fn drips() -> Body {
    let drops = futures_util::stream::unfold(0, |drop| async move {
        // Time is what this is about.
        tokio::time::sleep(Duration::from_millis(20)).await;
        (drop < 20).then(|| (Ok::<_, io::Error>(format!("drop {drop}\n")), drop + 1))
    });
    Body::from_stream(drops)
}

/// Sends a request and reads until the server closes.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_route_learns_who_connects_and_head_sends_no_body() {
    let server = server(LIMITS).await;
    let answer = ask(server.address, "GET /address HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
    let head = ask(server.address, "HEAD /address HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let garbage = ask(server.address, "nonsense\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400"), "{garbage}");
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_cut_off() {
    let server = server(Limits { head: Duration::from_millis(50), ..LIMITS }).await;
    let answer = ask(server.address, "GET /address HTTP/1.1\r\nHost:").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_server_ends() {
    let server = server(LIMITS).await;
    let Server { address, shutdown, ended, entered, leave } = server;
    let asked = ask(address, "GET /waits HTTP/1.1\r\nHost: x\r\n\r\n");
    let stop = async {
        entered.notified().await;
        shutdown.trigger();
        leave.notify_one();
    };
    let (answer, ()) = tokio::join!(asked, stop);
    assert!(answer.ends_with("waited"), "{answer}");
    tokio::time::timeout(SOON, ended).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_endless_answer_is_told_that_the_server_stops() {
    let server = server(LIMITS).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    while !answer.contains("begun") {
        let mut chunk = [0; 1_024];
        let read = tokio::time::timeout(SOON, stream.read(&mut chunk)).await.unwrap().unwrap();
        answer.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
    }
    server.shutdown.trigger();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.contains("ended"), "{answer}");
    tokio::time::timeout(SOON, server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_without_end_does_not_keep_the_server() {
    let server = server(Limits { grace: Duration::from_millis(20), ..LIMITS }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /waits HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.entered.notified().await;
    server.shutdown.trigger();
    tokio::time::timeout(SOON, server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let server = server(Limits { connections: 1, ..LIMITS }).await;
    let first = ask(server.address, "GET /waits HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let second = async {
        server.entered.notified().await;
        server.leave.notify_one();
        ask(server.address, "GET /address HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.ends_with("waited") && second.ends_with("127.0.0.1"));
}

#[tokio::test]
async fn a_client_that_stops_reading_gives_its_place_back() {
    let server = server(Limits { connections: 1, write: Duration::from_millis(100), ..LIMITS }).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    silent.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let answer = ask(server.address, "GET /address HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_goes_on_for_longer_than_the_limits_is_not_cut_off() {
    let limit = Duration::from_millis(100);
    let server = server(Limits { head: limit, write: limit, ..LIMITS }).await;
    let answer = ask(server.address, "GET /drips HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("drop 0\n") && answer.contains("drop 19\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_it() {
    let limit = Duration::from_secs(1);
    let server = server(Limits { write: limit, ..LIMITS }).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let (mut chunk, mut total, begun) = (vec![0; 4 << 20], 0, tokio::time::Instant::now());
    loop {
        // Time is what this is about: longer in all than the limit, never so long at once.
        tokio::time::sleep(Duration::from_millis(70)).await;
        let read = tokio::time::timeout(SOON, slow.read(&mut chunk)).await.unwrap().unwrap();
        total += read;
        if read == 0 {
            break;
        }
    }
    assert!(total > 64 << 20 && begun.elapsed() > limit, "{total} in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_port_that_is_taken_is_one_clear_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let args = crate::http::layers::tests::args(&["--port", &port.to_string()]);
    let fault = listen(&args).await.unwrap_err().to_string();
    assert_eq!(
        fault,
        format!("port {port} is taken: stop what listens there, or choose another with --port or ORBIT_PORT")
    );
}
