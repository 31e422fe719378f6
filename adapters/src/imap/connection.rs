//! Commands and their answers over one connection.

use super::{
    answers::{self, Line, Status, Untagged, Verdict},
    commands::Command,
    tokens::{Answer, literal},
};
use crate::net::{Fault, Wire};

/// Most bytes of a line. Some answers are one line however much they tell: what vanished, what was found.
const LINE: usize = 1024 * 1024;
/// Most bytes of a literal, and of all that one command is answered with, unless it is fetched one by one.
pub const LITERAL: usize = 64 * 1024 * 1024;
/// Most literals of one answer.
const LITERALS: usize = 1_000;

/// A connection on which one command at a time is under way.
pub(super) struct Connection {
    wire: Wire,
    count: u64,
    /// Set while a command is under way: whoever does not wait for its end leaves a connection that nobody can use.
    busy: bool,
    /// What the last command was answered with, besides its end.
    pub said: Vec<Untagged>,
    /// How many messages the open folder has, as far as the server has told.
    pub exists: u32,
    /// Whether the server has told of something new since that was last asked.
    pub news: bool,
}

impl Connection {
    pub fn new(wire: Wire) -> Self {
        Self { wire, count: 0, busy: false, said: Vec::new(), exists: 0, news: false }
    }

    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// What the server says first.
    pub async fn greeting(&mut self) -> Result<Status, Fault> {
        match self.line().await?.0 {
            Line::Untagged(Untagged::Status(status)) => match status.verdict {
                Verdict::Ok => Ok(status),
                Verdict::Bye => Err(Fault::Refused(status.text)),
                // To be taken for somebody already would spare us the TLS, which is what somebody on the way may want.
                Verdict::No | Verdict::Bad | Verdict::Preauth => Err(Fault::Protocol("a greeting that is none")),
            },
            _ => Err(Fault::Protocol("a greeting that is none")),
        }
    }

    /// Runs a command to its end, whatever that is; what is said meanwhile is in `said`.
    pub async fn run(&mut self, command: Command) -> Result<Status, Fault> {
        let tag = self.begin(command).await?;
        self.end(&tag).await
    }

    /// Gives the server what it asked for, then goes on to the end of the command.
    pub async fn answer(&mut self, tag: &str, text: &[u8]) -> Result<Status, Fault> {
        self.wire.send(&[text, b"\r\n"].concat()).await?;
        self.end(tag).await
    }

    async fn end(&mut self, tag: &str) -> Result<Status, Fault> {
        let (mut said, mut bytes) = (Vec::new(), 0);
        loop {
            let (line, size) = self.line().await?;
            match line {
                Line::Untagged(untagged) => {
                    // Small answers take more room here than on the way.
                    bytes += size + 128;
                    if bytes > LITERAL {
                        return Err(Fault::TooLarge("an answer"));
                    }
                    said.push(untagged);
                }
                Line::Done(of, status) if of == tag => {
                    self.said = said;
                    self.busy = false;
                    return Ok(status);
                }
                Line::Done(..) | Line::Continue(_) => return Err(Fault::Protocol("an answer to nothing")),
            }
        }
    }

    /// Runs a command that is to succeed.
    pub async fn ask(&mut self, command: Command) -> Result<Status, Fault> {
        let status = self.run(command).await?;
        if status.verdict == Verdict::Ok { Ok(status) } else { Err(Fault::Refused(status.text)) }
    }

    /// Sends a command; its answers are the caller's to read, up to its end.
    pub async fn begin(&mut self, command: Command) -> Result<String, Fault> {
        if self.busy {
            return Err(Fault::Closed);
        }
        self.busy = true;
        self.said.clear();
        self.count += 1;
        let tag = format!("o{}", self.count);
        let (pieces, end) = command.finish();
        let mut text = tag.clone().into_bytes();
        text.push(b' ');
        for (piece, literal) in pieces {
            text.extend_from_slice(&piece);
            text.extend_from_slice(b"\r\n");
            self.wire.send(&text).await?;
            self.asked(&tag).await?;
            text = literal;
        }
        text.extend_from_slice(&end);
        text.extend_from_slice(b"\r\n");
        self.wire.send(&text).await?;
        Ok(tag)
    }

    /// Waits until the server wants more of a command.
    pub async fn asked(&mut self, tag: &str) -> Result<String, Fault> {
        loop {
            match self.line().await?.0 {
                Line::Continue(text) => return Ok(text),
                Line::Untagged(_) => {}
                Line::Done(of, status) if of == tag => {
                    self.busy = false;
                    return Err(Fault::Refused(status.text));
                }
                Line::Done(..) => return Err(Fault::Protocol("an answer to nothing")),
            }
        }
    }

    /// The command that was begun has come to its end.
    pub fn done(&mut self) {
        self.busy = false;
    }

    /// The next answer, and how many bytes it had.
    pub async fn line(&mut self) -> Result<(Line, usize), Fault> {
        let (mut answer, mut bytes) = (Answer::default(), 0);
        loop {
            let mut line = self.wire.line(LINE).await?;
            bytes += line.len();
            let Some((start, length)) = literal(&line) else {
                answer.texts.push(line);
                break;
            };
            if length > LITERAL || bytes + length > LITERAL + LINE || answer.literals.len() == LITERALS {
                return Err(Fault::TooLarge("a literal"));
            }
            line.truncate(start);
            answer.texts.push(line);
            answer.literals.push(self.wire.bytes(length).await?);
            bytes += length;
        }
        let line = answers::read(answer)?;
        self.note(&line);
        Ok((line, bytes))
    }

    /// What the server tells of the open folder, whatever it was asked.
    fn note(&mut self, line: &Line) {
        let Line::Untagged(untagged) = line else { return };
        match untagged {
            Untagged::Exists(count) => {
                self.news |= *count != self.exists;
                self.exists = *count;
            }
            Untagged::Expunge(_) => {
                self.news = true;
                self.exists = self.exists.saturating_sub(1);
            }
            Untagged::Vanished { earlier: false, uids } => {
                self.news = true;
                self.exists = self.exists.saturating_sub(u32::try_from(uids.len()).unwrap_or(u32::MAX));
            }
            Untagged::Fetch(_) => self.news = true,
            Untagged::Vanished { .. }
            | Untagged::Capability(_)
            | Untagged::Enabled(_)
            | Untagged::Folder(_)
            | Untagged::Found(_)
            | Untagged::Status(_)
            | Untagged::Other => {}
        }
    }
}
