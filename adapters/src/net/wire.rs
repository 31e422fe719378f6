//! A connection that is read by lines and by counted bytes, both bounded, and that waits for nobody for ever.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Fault, Server};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// What bytes go through.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Socket for T {}

/// A connection to a mail server.
pub(crate) struct Wire {
    /// None only while TLS is being agreed on, and after that failed.
    socket: Option<Box<dyn Socket>>,
    /// What was read and not yet taken; from `at` on.
    buffer: Vec<u8>,
    at: usize,
    timeout: Duration,
}

impl Wire {
    pub(super) fn new(socket: Box<dyn Socket>, timeout: Duration) -> Self {
        Self { socket: Some(socket), buffer: Vec::new(), at: 0, timeout }
    }

    /// From now on everything goes through TLS, with a certificate for the server's name.
    pub(crate) async fn secure(&mut self, server: &Server) -> Result<(), Fault> {
        // What came in the clear behind the answer to STARTTLS would else be taken for what the server said (CVE-2011-0411).
        if self.at < self.buffer.len() {
            return Err(Fault::Protocol("it speaks before TLS is agreed on"));
        }
        let unfit = |error| Fault::Tls(io::Error::new(io::ErrorKind::InvalidInput, error));
        let name = ServerName::try_from(server.host.clone()).map_err(unfit)?;
        let socket = self.socket.take().ok_or(Fault::Closed)?;
        let agreed = timeout(self.timeout, server.roots.connector().connect(name, socket));
        let secured = agreed.await.map_err(|_| Fault::Timeout)?.map_err(Fault::Tls)?;
        self.socket = Some(Box::new(secured));
        Ok(())
    }

    /// How long the other side may say nothing, from now on.
    pub(crate) fn wait_for(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// The next line without its end, of at most `most` bytes.
    pub(crate) async fn line(&mut self, most: usize) -> Result<Vec<u8>, Fault> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(end) = memchr::memchr(b'\n', &rest[searched..]).map(|at| at + searched) {
                if end > most {
                    return Err(Fault::TooLarge("a line"));
                }
                let line = &rest[..end];
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                self.at += end + 1;
                return Ok(line);
            }
            searched = rest.len();
            if searched > most {
                return Err(Fault::TooLarge("a line"));
            }
            self.fill().await?;
        }
    }

    /// The next `count` bytes. The caller bounds them.
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        let there = count.min(self.buffer.len() - self.at);
        let mut bytes = Vec::with_capacity(count.min(1024 * 1024));
        bytes.extend_from_slice(&self.buffer[self.at..self.at + there]);
        self.at += there;
        while bytes.len() < count {
            self.fill().await?;
            let more = (count - bytes.len()).min(self.buffer.len() - self.at);
            bytes.extend_from_slice(&self.buffer[self.at..self.at + more]);
            self.at += more;
        }
        Ok(bytes)
    }

    /// Waits until there is something to read. Nothing is lost if it is not waited for to the end.
    pub(crate) async fn readable(&mut self) -> Result<(), Fault> {
        if self.at < self.buffer.len() { Ok(()) } else { self.read().await }
    }

    /// Whether the other side has said something, or has gone, by now.
    pub(crate) async fn has_spoken(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.readable() => true,
            () = std::future::ready(()) => false,
        }
    }

    /// Sends bytes, all of them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let socket = self.socket.as_mut().ok_or(Fault::Closed)?;
        // By pieces: that much must have gone on within the time, however long the whole is.
        for piece in bytes.chunks(CHUNK * 4) {
            let sent = timeout(self.timeout, socket.write_all(piece)).await;
            sent.map_err(|_| Fault::Timeout)?.map_err(|error| Fault::broken(&error))?;
        }
        let flushed = timeout(self.timeout, socket.flush()).await;
        flushed.map_err(|_| Fault::Timeout)?.map_err(|error| Fault::broken(&error))
    }

    async fn fill(&mut self) -> Result<(), Fault> {
        timeout(self.timeout, self.read()).await.map_err(|_| Fault::Timeout)?
    }

    async fn read(&mut self) -> Result<(), Fault> {
        // What was taken goes, at once if that is all, else when it has become much.
        if self.at == self.buffer.len() || self.at > CHUNK * 4 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let socket = self.socket.as_mut().ok_or(Fault::Closed)?;
        self.buffer.reserve(CHUNK);
        match socket.read_buf(&mut self.buffer).await {
            Ok(0) => Err(Fault::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::broken(&error)),
        }
    }
}
