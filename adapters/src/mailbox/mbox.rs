//! Many messages in one file, each behind a line that begins with `From `.
//!
//! There are four ways to write such files and no way to tell which it is. Lines of a message that would end it have a `>`
//! before them (mboxo, mboxrd), or the message says how long it is (mboxcl, mboxcl2). So a line ends a message only if it
//! looks like one that a program wrote, with a date at its end; a length is believed only if it leads to such a line.

use std::io::{self, Write};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::{Found, MESSAGE_BYTES, Mark, marks, source::Source, too_large};

/// A longer line separates no messages.
const LINE: usize = 1_000;

/// The messages of a file.
pub(super) struct Mbox {
    source: Source,
    is_begun: bool,
    /// After an error of the stream there is nothing more.
    is_over: bool,
}

impl Mbox {
    pub fn new(source: Source) -> Self {
        Self { source, is_begun: false, is_over: false }
    }

    fn read(&mut self) -> io::Result<Option<Found>> {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.begin()?;
        }
        let at = Mark::Offset(self.source.offset());
        let ahead = self.source.peek(LINE)?;
        if ahead.is_empty() {
            return Ok(None);
        }
        let mut came = None;
        if ahead.starts_with(b"From ") {
            came = separator(ahead);
            self.source.take_line(&mut Vec::new(), 0)?;
        }
        let (mut raw, is_exact) = self.message()?;
        let next = Mark::Offset(self.source.offset());
        if raw.len() > MESSAGE_BYTES {
            return Ok(Some(too_large(at, next)));
        }
        if !is_exact {
            // The blank line before the next one is the file's.
            let kept = raw.strip_suffix(b"\r\n").or(raw.strip_suffix(b"\n")).filter(|kept| kept.ends_with(b"\n"));
            raw.truncate(kept.unwrap_or(&raw).len());
        }
        let mut item = marks::item(raw, next);
        item.received_at = came.or(item.received_at);
        Ok(Some(Found::Message(item)))
    }

    /// At the beginning of a file everything counts; where a reading goes on, only from the next message.
    fn begin(&mut self) -> io::Result<()> {
        let goes_on = self.source.offset() > 0;
        loop {
            let ahead = self.source.peek(LINE)?;
            let is_blank = ahead.starts_with(b"\n") || ahead.starts_with(b"\r\n");
            if ahead.is_empty() || separator(ahead).is_some() || !(is_blank || goes_on) {
                return Ok(());
            }
            self.source.take_line(&mut Vec::new(), 0)?;
        }
    }

    /// Everything up to the next line that separates, or one byte more than a message may have; and whether it is just
    /// what the message says that it is.
    fn message(&mut self) -> io::Result<(Vec<u8>, bool)> {
        let mut raw = Vec::new();
        let (mut is_head, mut told) = (true, None);
        loop {
            let ahead = self.source.peek(LINE)?;
            if ahead.is_empty() || ahead.starts_with(b"From ") && separator(ahead).is_some() {
                return Ok((raw, false));
            }
            if is_head {
                is_head = !(ahead.starts_with(b"\n") || ahead.starts_with(b"\r\n"));
                told = told.or_else(|| length(ahead));
            } else if is_quoted(ahead) {
                self.source.consume(1);
            }
            self.source.take_line(&mut raw, MESSAGE_BYTES)?;
            if !is_head
                && let Some(length) = told.take()
                && self.leads_on(length)?
            {
                self.source.take(length as u64, &mut raw, MESSAGE_BYTES)?;
                self.pass_blank()?;
                return Ok((raw, true));
            }
        }
    }

    /// Whether so many bytes on there is the end, or a line that separates.
    fn leads_on(&mut self, length: usize) -> io::Result<bool> {
        if length > MESSAGE_BYTES {
            return Ok(false);
        }
        let ahead = self.source.peek(length + LINE)?;
        let Some(behind) = ahead.get(length..) else { return Ok(false) };
        let behind = behind.trim_ascii_start();
        Ok(behind.is_empty() || separator(behind).is_some())
    }

    fn pass_blank(&mut self) -> io::Result<()> {
        while self.source.peek(1)?.first().is_some_and(u8::is_ascii_whitespace) {
            self.source.consume(1);
        }
        Ok(())
    }
}

impl Iterator for Mbox {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        if self.is_over {
            return None;
        }
        let read = self.read();
        self.is_over = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}

/// Whether this is a line with `From ` that was given a `>`.
fn is_quoted(ahead: &[u8]) -> bool {
    let marks = ahead.iter().take_while(|byte| **byte == b'>').count();
    marks > 0 && ahead[marks..].starts_with(b"From ")
}

fn length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    let value = &value[..memchr::memchr(b'\n', value)?];
    name.eq_ignore_ascii_case(NAME).then(|| str::from_utf8(value).ok()?.trim().parse().ok())?
}

/// When a message came in, by the line before it: `From` somebody, and a date as `asctime` or as mail writes it.
fn separator(line: &[u8]) -> Option<DateTime<Utc>> {
    let line = line.strip_prefix(b"From ")?;
    let line = str::from_utf8(&line[..memchr::memchr(b'\n', &line[..line.len().min(LINE)])?]).ok()?;
    let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_end_matches(',')).collect();
    // Somebody's name may have words too; the date is the last.
    let begin = words.iter().rposition(|word| DAYS.contains(word))?;
    date(&words[begin + 1..])
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Nov 24 10:00:00 2026`, `Nov 24 10:00 CET 2026`, `Nov 24 10:00:00 +0100 2026`, `24 Nov 2026 10:00:00 +0100`.
fn date(words: &[&str]) -> Option<DateTime<Utc>> {
    let [first, second, rest @ ..] = words else { return None };
    let (month, day) = if MONTHS.contains(first) { (first, second) } else { (second, first) };
    let month = u32::try_from(MONTHS.iter().position(|known| known == month)? + 1).ok()?;
    let time = rest.iter().find_map(|word| {
        NaiveTime::parse_from_str(word, "%H:%M:%S").or_else(|_| NaiveTime::parse_from_str(word, "%H:%M")).ok()
    })?;
    let year = rest.iter().find_map(|word| (word.len() == 4).then(|| word.parse().ok())?)?;
    let zone = rest.iter().find_map(|word| word.parse::<FixedOffset>().ok().filter(|_| word.starts_with(['+', '-'])));
    let ahead = TimeDelta::seconds(zone.map_or(0, |zone| zone.local_minus_utc().into()));
    let came = NaiveDate::from_ymd_opt(year, month, day.parse().ok()?)?.and_time(time);
    came.checked_sub_signed(ahead).map(|came| came.and_utc()).filter(|_| rest.len() <= 4)
}

/// Writes a message into a file of many (mboxrd): [`super::open`] reads the same out of it, but for a line end that it
/// gets where it has none.
pub fn append(raw: &[u8], received_at: DateTime<Utc>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "From MAILER-DAEMON {}", received_at.format("%a %b %e %H:%M:%S %Y"))?;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"From ") || is_quoted(line) {
            out.write_all(b">")?;
        }
        out.write_all(line)?;
    }
    out.write_all(if raw.ends_with(b"\n") { b"\n" } else { b"\n\n" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_separate_have_a_date_at_their_end() {
        let november = Some("2026-11-24T10:00:00Z".parse().unwrap());
        for (line, came) in [
            ("From ada@harbour.example Tue Nov 24 10:00:00 2026\n", november),
            ("From ada@harbour.example  Tue Nov 24 11:00:00 +0100 2026\r\n", november),
            ("From - Tue Nov 24 10:00:00 2026\n", november),
            ("From 1712345678901234567@xxx Tue Nov 24 10:00:00 +0000 2026\n", november),
            ("From ada at harbour.example  Tue Nov 24 10:00 CET 2026\n", november),
            ("From ada@harbour.example Tue, 24 Nov 2026 11:00:00 +0100\n", november),
            ("From Monday on we meet at ten.\n", None),
            ("From Mon Dieu to Tue Nov 24\n", None),
            ("From the desk of Ada, Tue Nov 24 10:00:00 2026 and not a day later than that\n", None),
            ("From me to you\n", None),
            ("From ada@harbour.example Tue Nov 24 10:00:00 2026", None),
            ("From ada@harbour.example Tue Nov 31 10:00:00 2026\n", None),
        ] {
            assert_eq!(separator(line.as_bytes()), came, "{line}");
        }
    }
}
