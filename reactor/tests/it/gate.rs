//! The way to a server, which tests close, or on which they lose answers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use orbit_platform::shutdown::Shutdown;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What becomes of those who come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They talk with the server.
    Open,
    /// They are turned away.
    Closed,
    /// Nobody ever says anything.
    Silent,
    /// They talk with the server until they have laid a message there: that it did is not told.
    Unanswered,
}

/// A port that leads to a server.
#[derive(Debug)]
pub struct Gate {
    pub port: u16,
    way: watch::Sender<Way>,
    stuck: Arc<AtomicUsize>,
}

impl Gate {
    pub async fn new(server: u16, life: &Shutdown) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, ways) = watch::channel(Way::Open);
        let stuck = Arc::new(AtomicUsize::new(0));
        let (inner, count) = (life.clone(), stuck.clone());
        life.spawn("gate", async move {
            loop {
                let come = tokio::select! {
                    come = listener.accept() => come.unwrap().0,
                    () = inner.cancelled() => return,
                };
                let (way, count, until) = (*ways.borrow(), count.clone(), inner.clone());
                inner.spawn("gate.passage", async move {
                    tokio::select! {
                        () = pass(come, server, way, &count) => {}
                        () = until.cancelled() => {}
                    }
                });
            }
        });
        Self { port, way, stuck }
    }

    /// Those who come from now on go this way.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// How many have come to where nobody answers.
    pub fn stuck(&self) -> usize {
        self.stuck.load(Ordering::SeqCst)
    }
}

/// Returns when either side has gone.
async fn pass(mut near: TcpStream, server: u16, way: Way, stuck: &AtomicUsize) {
    if way == Way::Closed {
        return;
    }
    if way == Way::Silent {
        stuck.fetch_add(1, Ordering::SeqCst);
        return gone(&mut near).await;
    }
    let mut far = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut asked, mut told) = ([0; 8_192], [0; 8_192]);
    let mut is_laying = false;
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                is_laying |= way == Way::Unanswered && asked[..length].windows(7).any(|word| word == b"APPEND ");
                if far.write_all(&asked[..length]).await.is_err() {
                    return;
                }
            }
            read = far.read(&mut told) => {
                let Ok(length @ 1..) = read else { return };
                // That it waits for the message is no answer yet.
                if is_laying && !told.starts_with(b"+") {
                    stuck.fetch_add(1, Ordering::SeqCst);
                    return gone(&mut near).await;
                }
                if near.write_all(&told[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn gone(near: &mut TcpStream) {
    let mut unheard = [0; 8_192];
    while let Ok(1..) = near.read(&mut unheard).await {}
}
