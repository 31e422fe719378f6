//! A way to a server that tests may hold up or cut.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use orbit_platform::shutdown::Shutdown;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// How the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// All goes through.
    Open,
    /// So many bytes from the server go through, and the rest waits.
    HeldAfter(u64),
    /// Nobody gets through, and whoever was through is cut.
    Cut,
}

/// Passes on to a server of this machine what comes to [`Relay::port`], as the way is.
pub struct Relay {
    pub port: u16,
    way: watch::Sender<Way>,
    life: Shutdown,
}

impl Relay {
    pub async fn to(port: u16, way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay =
            Self { port: listener.local_addr().unwrap().port(), way: watch::Sender::new(way), life: Shutdown::new() };
        let (ways, passed) = (relay.way.subscribe(), Arc::new(AtomicU64::new(0)));
        let life = relay.life.clone();
        relay.life.spawn("tests.relay", async move {
            loop {
                let (client, _) = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap(),
                    () = life.cancelled() => return,
                };
                let (ways, passed, of_it) = (ways.clone(), passed.clone(), life.clone());
                life.spawn("tests.relay.connection", async move {
                    let mut cut = ways.clone();
                    tokio::select! {
                        () = pass(client, port, ways, &passed) => {}
                        () = async { drop(cut.wait_for(|way| *way == Way::Cut).await) } => {}
                        () = of_it.cancelled() => {}
                    }
                });
            }
        });
        relay
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.life.trigger();
    }
}

async fn pass(client: TcpStream, port: u16, ways: watch::Receiver<Way>, passed: &AtomicU64) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let ((mut from_client, to_client), (from_server, mut to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        () = answers(from_server, to_client, ways, passed) => {}
    }
}

/// What the server says, as far as it may go through.
async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut ways: watch::Receiver<Way>, passed: &AtomicU64) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let all = passed.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
        let goes_through = |way: &Way| match way {
            Way::Open => true,
            Way::HeldAfter(limit) => all <= *limit,
            Way::Cut => false,
        };
        let is_let_through = ways.wait_for(goes_through).await.is_ok();
        if !is_let_through || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
