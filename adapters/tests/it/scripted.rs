//! A server that says what a test wants it to say, byte for byte, whatever it is asked.

use std::{net::SocketAddr, time::Duration};

use orbit_adapters::net::{Login, Roots, Security, Server};
use orbit_testing::peers;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// One turn of a conversation.
pub enum Turn {
    /// Says this.
    Say(&'static str),
    /// Waits for a line that has this in it.
    Hear(&'static str),
    /// Says this number of bytes.
    Pour(usize),
    /// Takes its time.
    Wait(Duration),
    /// Neither speaks nor leaves.
    Hang,
}

pub use Turn::{Hang, Hear, Pour, Say, Wait};

/// Plays a script to the first that connects, then leaves. What it heard comes at the end.
pub async fn play(script: Vec<Turn>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "it ends with its script, or with the test's runtime")]
    let playing = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        for turn in script {
            match turn {
                Say(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                Hear(part) => {
                    let line = line(&mut stream).await;
                    assert!(line.contains(part), "{line:?} was heard instead of {part:?}");
                    heard.push(line);
                }
                Pour(count) => {
                    // Whoever does not want more closes.
                    let _ = stream.write_all(&vec![b'x'; count]).await;
                }
                Wait(time) => tokio::time::sleep(time).await,
                Hang => tokio::time::sleep(Duration::from_mins(1)).await,
            }
        }
        heard
    });
    (address, playing)
}

async fn line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

/// A server on the loopback, in the clear, with the user that all servers of tests know.
pub fn at(port: u16) -> Server {
    Server {
        host: "127.0.0.1".to_owned(),
        port,
        security: Security::Plain,
        login: Some(login(peers::PASSWORD)),
        roots: Roots::new(None).unwrap(),
        private_hosts: true,
        timeout: Duration::from_secs(20),
    }
}

pub fn login(secret: &str) -> Login {
    Login { username: peers::USER.to_owned(), secret: secret.into() }
}
