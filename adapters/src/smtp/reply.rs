//! What a server answers: a number, and lines of text (RFC 5321, section 4.2).

use crate::net::{Fault, Wire, said};

/// Most bytes of a line, and most lines.
const LINE: usize = 4_096;
const LINES: usize = 200;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// What it says, as one line.
    pub text: String,
}

impl Reply {
    /// Whether it is yes, or «go on».
    pub fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// Whether it is no, and will be.
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }
}

/// The next answer, and its lines as they are.
pub(super) async fn read(wire: &mut Wire) -> Result<(Reply, Vec<String>), Fault> {
    let mut lines = Vec::new();
    loop {
        let line = wire.line(LINE).await?;
        let code = line.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let code = code.filter(|code| (200..600).contains(code)).ok_or(Fault::Protocol("an answer without a code"))?;
        let last = match line.get(3) {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return Err(Fault::Protocol("an answer without a code")),
        };
        lines.push(said(line.get(4..).unwrap_or_default()));
        if last {
            return Ok((Reply { code, text: lines.join(" ").chars().take(500).collect() }, lines));
        }
        if lines.len() == LINES {
            return Err(Fault::TooLarge("an answer"));
        }
    }
}
