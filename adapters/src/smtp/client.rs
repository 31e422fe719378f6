//! The conversation with an SMTP server.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret;

use super::{Outcome, Recipient, Reply, reply, stuff::Stuffed};
use crate::net::{self, Fault, Login, Security, Server, Wire};

/// How we call ourselves: the literal that says nothing of where we are.
const HELLO: &str = "EHLO [127.0.0.1]";
/// How much of a message is made at once.
const PIECE: usize = 64 * 1024;
/// A server may think that many times longer about a whole message than about a command (RFC 5321, section 4.5.3.2).
const THINKS: u32 = 10;

/// A connection to an SMTP server.
pub(crate) struct Client {
    wire: Wire,
    /// What the server can do: the lines of its answer to EHLO, in capitals.
    can: Vec<String>,
    timeout: std::time::Duration,
}

impl Client {
    /// Connects, and logs in if somebody is to.
    pub async fn connect(server: &Server) -> Result<Self, Fault> {
        let mut client = Self::greet(net::connect(server).await?, server).await?;
        client.hello().await?;
        client.login(server.login.as_ref()).await?;
        Ok(client)
    }

    /// Goes on up to what the server says first, and to STARTTLS.
    pub async fn greet(wire: Wire, server: &Server) -> Result<Self, Fault> {
        let mut client = Self { wire, can: Vec::new(), timeout: server.timeout };
        client.expect().await?;
        if server.security == Security::Starttls {
            client.hello().await?;
            if !client.can("STARTTLS") {
                return Err(Fault::NoStarttls);
            }
            if !client.say("STARTTLS").await?.is_positive() {
                return Err(Fault::NoStarttls);
            }
            client.wire.secure(server).await?;
        }
        Ok(client)
    }

    /// Says who we are, and hears what the server can do.
    pub async fn hello(&mut self) -> Result<(), Fault> {
        self.wire.send(format!("{HELLO}\r\n").as_bytes()).await?;
        let (reply, lines) = reply::read(&mut self.wire).await?;
        if !reply.is_positive() {
            return Err(Fault::Refused(reply.text));
        }
        // The first line is its name.
        self.can = lines.into_iter().skip(1).map(|line| line.to_uppercase()).collect();
        Ok(())
    }

    /// Logs in, if somebody is to.
    pub async fn login(&mut self, login: Option<&Login>) -> Result<(), Fault> {
        let Some(login) = login else { return Ok(()) };
        let (username, secret) = (&login.username, login.secret.expose_secret());
        let plain = STANDARD.encode(format!("\0{username}\0{secret}"));
        let ways: Vec<String> = {
            let offered = self.can.iter().filter_map(|line| line.strip_prefix("AUTH"));
            // Old servers write AUTH=.
            offered.flat_map(|ways| ways.split([' ', '='])).map(str::to_owned).collect()
        };
        let offers = |way: &str| ways.iter().any(|offered| offered == way);
        let reply = if offers("PLAIN") {
            self.say(&format!("AUTH PLAIN {plain}")).await?
        } else if offers("LOGIN") {
            let mut reply = self.say("AUTH LOGIN").await?;
            for part in [username.as_str(), secret] {
                if reply.code == 334 {
                    reply = self.say(&STANDARD.encode(part)).await?;
                }
            }
            reply
        } else {
            return Err(Fault::Login("it offers no way to log in that is known here".to_owned()));
        };
        if reply.code == 235 {
            return Ok(());
        }
        Err(Fault::Login(format!("{} {}", reply.code, login.keep_out_of(reply.text))))
    }

    /// Sends a message to recipients and notes of each what became of them.
    pub async fn send(&mut self, from: &str, recipients: &mut [Recipient], message: &[u8]) -> Outcome {
        match self.envelope(from, recipients, message).await {
            Ok(None) => {}
            Ok(Some(outcome)) => return outcome,
            Err(fault) => {
                forget(recipients);
                return Outcome::NotSent(fault);
            }
        }
        let outcome = self.data(message).await;
        let reply = match &outcome {
            Outcome::Accepted(reply) | Outcome::Temporary(reply) | Outcome::Permanent(reply) => Some(reply),
            Outcome::NotSent(_) | Outcome::Unknown(_) => None,
        };
        for recipient in recipients.iter_mut().filter(|recipient| welcome(recipient)) {
            recipient.accepted = matches!(outcome, Outcome::Accepted(_));
            recipient.reply = reply.cloned();
        }
        outcome
    }

    /// Whether mail from this address would be taken. None comes, and the server is told so.
    pub async fn try_sender(&mut self, from: &str) -> Result<(), Fault> {
        let utf8 = self.can("SMTPUTF8");
        let international = if utf8 && !from.is_ascii() { " SMTPUTF8" } else { "" };
        let reply = match refusal(from, utf8) {
            Some(reply) => reply,
            None => self.say(&format!("MAIL FROM:<{from}>{international}")).await?,
        };
        if !reply.is_positive() {
            return Err(Fault::Refused(format!("{} {}", reply.code, reply.text)));
        }
        self.say("RSET").await.map(drop)
    }

    /// Leaves. What was sent is sent, whatever comes of this.
    pub async fn quit(mut self) {
        let _ = self.say("QUIT").await;
    }

    /// MAIL and RCPT. An outcome, if it ends there already.
    async fn envelope(
        &mut self,
        from: &str,
        recipients: &mut [Recipient],
        message: &[u8],
    ) -> Result<Option<Outcome>, Fault> {
        let (utf8, international) = (self.can("SMTPUTF8"), |email: &str| !email.is_ascii());
        let size = if self.can("SIZE") { format!(" SIZE={}", message.len()) } else { String::new() };
        let mut mail = format!("MAIL FROM:<{from}>{size}");
        if self.can("8BITMIME") && !message.is_ascii() {
            mail += " BODY=8BITMIME";
        }
        if utf8 && (international(from) || recipients.iter().any(|recipient| international(&recipient.email))) {
            mail += " SMTPUTF8";
        }
        let reply = match refusal(from, utf8) {
            Some(reply) => reply,
            None => self.say(&mail).await?,
        };
        if !reply.is_positive() {
            for recipient in recipients.iter_mut() {
                recipient.reply = Some(reply.clone());
            }
            return Ok(Some(refused(reply)));
        }
        for recipient in recipients.iter_mut() {
            let reply = match refusal(&recipient.email, utf8) {
                Some(reply) => reply,
                None => self.say(&format!("RCPT TO:<{}>", recipient.email)).await?,
            };
            // It is about to close the connection: this is about no recipient.
            if reply.code == 421 {
                return Err(Fault::Refused(format!("{} {}", reply.code, reply.text)));
            }
            recipient.reply = Some(reply);
        }
        if recipients.iter().any(welcome) {
            return Ok(None);
        }
        // If one may be taken later, all of it is tried again.
        let replies = || recipients.iter().filter_map(|recipient| recipient.reply.clone());
        let reply = replies().find(|reply| !reply.is_permanent()).or_else(|| replies().next());
        Ok(Some(reply.map_or(Outcome::NotSent(Fault::Refused("no recipients are given".to_owned())), refused)))
    }

    /// DATA and the message.
    async fn data(&mut self, message: &[u8]) -> Outcome {
        match self.say("DATA").await {
            Ok(reply) if reply.code == 354 => {}
            Ok(reply) if reply.is_positive() => return Outcome::NotSent(Fault::Protocol("DATA answered with yes")),
            Ok(reply) => return refused(reply),
            Err(fault) => return Outcome::NotSent(fault),
        }
        let (mut stuffed, mut piece) = (Stuffed::new(message), Vec::with_capacity(PIECE + 4));
        loop {
            stuffed.fill(&mut piece, PIECE);
            if piece.is_empty() {
                break;
            }
            if let Err(fault) = self.wire.send(&piece).await {
                return Outcome::NotSent(fault);
            }
        }
        // Who speaks or goes before the end has not taken the message: worth asking, since a moment later nobody knows.
        if self.wire.has_spoken().await {
            return match self.expect().await {
                Err(fault) => Outcome::NotSent(fault),
                Ok(_) => Outcome::NotSent(Fault::Protocol("it answered before the end of the message")),
            };
        }
        // From here on nobody knows whether the server has seen the end, unless it says so.
        self.wire.wait_for(self.timeout * THINKS);
        let answer = match self.wire.send(b".\r\n").await {
            Ok(()) => reply::read(&mut self.wire).await.map(|(reply, _)| reply),
            Err(fault) => Err(fault),
        };
        self.wire.wait_for(self.timeout);
        match answer {
            Ok(reply) if reply.is_positive() => Outcome::Accepted(reply),
            Ok(reply) => refused(reply),
            Err(fault) => Outcome::Unknown(fault),
        }
    }

    fn can(&self, what: &str) -> bool {
        self.can.iter().any(|line| line.split(' ').next() == Some(what))
    }

    async fn say(&mut self, command: &str) -> Result<Reply, Fault> {
        self.wire.send(format!("{command}\r\n").as_bytes()).await?;
        reply::read(&mut self.wire).await.map(|(reply, _)| reply)
    }

    /// Reads an answer that must be yes.
    async fn expect(&mut self) -> Result<Reply, Fault> {
        let (reply, _) = reply::read(&mut self.wire).await?;
        if reply.is_positive() { Ok(reply) } else { Err(Fault::Refused(format!("{} {}", reply.code, reply.text))) }
    }
}

fn refused(reply: Reply) -> Outcome {
    if reply.is_permanent() { Outcome::Permanent(reply) } else { Outcome::Temporary(reply) }
}

/// Whether the server has said yes to a recipient.
fn welcome(recipient: &Recipient) -> bool {
    recipient.reply.as_ref().is_some_and(Reply::is_positive)
}

/// The conversation ended before the message: a yes to a recipient means nothing.
fn forget(recipients: &mut [Recipient]) {
    for recipient in recipients.iter_mut().filter(|recipient| welcome(recipient)) {
        recipient.reply = None;
    }
}

/// What is refused before the server is asked: an address that would be read as more than one, and one that it cannot read.
fn refusal(email: &str, utf8: bool) -> Option<Reply> {
    let text = if email.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>')) {
        "an address that cannot be written to a mail server"
    } else if !utf8 && !email.is_ascii() {
        "the server takes only addresses in ASCII"
    } else {
        return None;
    };
    Some(Reply { code: 553, text: text.to_owned() })
}
