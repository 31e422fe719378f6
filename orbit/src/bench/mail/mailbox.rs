//! A mailbox that looks like one: words as often as in a language, three languages, some threads, text and HTML.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use chrono::{DateTime, TimeDelta, Utc};
use orbit_adapters::mailbox;

/// Different words.
pub const WORDS: usize = 20_000;
/// Bytes of a message's text; its HTML has the same words and twice the bytes.
const TEXT: usize = 3_000;
/// Different correspondents.
const PEOPLE: u64 = 500;
/// One of so many messages answers the one before it.
const THREADS: u64 = 20;
/// What the languages are told apart by: every third word is one of these.
const SMALL: [&[&str]; 3] = [
    &["the", "and", "of", "to", "that", "with", "for", "this", "have", "which"],
    &["der", "und", "die", "nicht", "mit", "auch", "eine", "wir", "haben", "werden"],
    &["les", "des", "une", "pour", "dans", "avec", "nous", "vous", "cette", "être"],
];
const SYLLABLES: [&str; 24] = [
    "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va", "we", "xi", "yo",
    "zu", "bra", "cle", "dri", "sto",
];

/// Chance that can be repeated (`SplitMix64`, Steele et al. 2014).
pub struct Dice(pub u64);

impl Dice {
    /// One of so many.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// The words, the frequent ones first: the n-th comes up in proportion to 1/n (Zipf 1949).
pub struct Vocabulary {
    words: Vec<String>,
    /// The sum of the weights up to each, in millionths of the first one's.
    upto: Vec<u64>,
}

impl Vocabulary {
    pub fn new() -> Self {
        let mut dice = Dice(7);
        let (mut words, mut upto, mut sum) = (Vec::with_capacity(WORDS), Vec::with_capacity(WORDS), 0);
        for n in 0..WORDS {
            let mut word = String::new();
            for _ in 0..2 + dice.roll(3) {
                let at = usize::try_from(dice.roll(SYLLABLES.len() as u64)).unwrap_or(0);
                word.push_str(SYLLABLES[at]);
            }
            // So that each is another one.
            let _ = write!(word, "{}", char::from(b'a' + u8::try_from(n % 26).unwrap_or(0)));
            sum += 1_000_000 / (n as u64 + 1);
            words.push(word);
            upto.push(sum);
        }
        Self { words, upto }
    }

    /// The n-th most frequent.
    pub fn nth(&self, n: usize) -> &str {
        &self.words[n.min(WORDS - 1)]
    }

    fn draw(&self, dice: &mut Dice) -> &str {
        let at = dice.roll(self.upto.last().copied().unwrap_or(1));
        self.nth(self.upto.partition_point(|upto| *upto <= at))
    }
}

/// Writes so many messages into a file of many; says how many bytes they have.
pub fn write(count: usize, words: &Vocabulary, newest: DateTime<Utc>, out: &mut impl Write) -> io::Result<u64> {
    let (mut dice, mut bytes) = (Dice(1), 0);
    for n in 0..count {
        let date = newest - TimeDelta::minutes(i64::try_from(count - n).unwrap_or(0) * 7);
        let message = message(n, words, &mut dice, date);
        bytes += message.len() as u64;
        mailbox::append(message.as_bytes(), date, out)?;
    }
    Ok(bytes)
}

/// Who a correspondent is.
pub fn person(n: u64) -> String {
    format!("person{n}@host{}.example", n % 40)
}

fn message(n: usize, words: &Vocabulary, dice: &mut Dice, date: DateTime<Utc>) -> String {
    let language = n % SMALL.len();
    let mut text = String::with_capacity(TEXT + 64);
    while text.len() < TEXT {
        for column in 0..12 {
            let small = SMALL[language];
            let word = if column % 3 == 0 {
                small[usize::try_from(dice.roll(small.len() as u64)).unwrap_or(0)]
            } else {
                words.draw(dice)
            };
            text.push_str(word);
            text.push(if column == 11 { '\n' } else { ' ' });
        }
    }
    let line =
        |line: &str| ["<p style=\"margin:0 0 8px;font-family:Arial\">", line, "</p>\n<div><br></div>\n"].concat();
    let html: String = text.lines().map(line).collect();
    let subject = format!("{} {} {}", words.draw(dice), words.draw(dice), words.draw(dice));
    let answers = n > 0 && dice.roll(THREADS) == 0;
    let thread = if answers {
        format!("In-Reply-To: <{}@bench.example>\r\nReferences: <{0}@bench.example>\r\n", n - 1)
    } else {
        String::new()
    };
    let unread = if dice.roll(4) == 0 { ",Unread" } else { "" };
    let starred = if dice.roll(50) == 0 { ",Starred" } else { "" };
    let sender = person(dice.roll(PEOPLE));
    let text = text.replace('\n', "\r\n");
    let trail = format!(
        "Received: from mx.host.example by mail.bench.example with ESMTPS id {n:08}; {}\r\n",
        date.to_rfc2822()
    );
    format!(
        "{}Message-ID: <{n}@bench.example>\r\nFrom: \"Person\" <{sender}>\r\nTo: me@bench.example\r\n{thread}\
         Date: {}\r\nSubject: {subject}\r\nX-Gmail-Labels: Inbox{unread}{starred},label {}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"b{n}\"\r\n\r\n--b{n}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         {text}\r\n--b{n}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>{html}</body></html>\r\n--b{n}--\r\n",
        trail.repeat(6),
        date.to_rfc2822(),
        n % 12
    )
}
