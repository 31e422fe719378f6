//! Encoded words (RFC 2047), mended: those that belong together, since many cut one within a character, are one, and what
//! is no escape in them is one.

/// A value whose words are mended; `None` if it has none.
pub(super) fn mended(value: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(value, b"=?")?;
    let mut out = Vec::with_capacity(value.len());
    let mut open: Option<Word<'_>> = None;
    let mut at = 0;
    while at < value.len() {
        let Some(begin) = memchr::memmem::find(&value[at..], b"=?").map(|found| at + found) else { break };
        let Some((word, end)) = word(value, begin) else {
            // It only looked like one.
            close(&mut open, &mut out);
            out.extend_from_slice(&value[at..begin + 2]);
            at = begin + 2;
            continue;
        };
        let between = &value[at..begin];
        match &mut open {
            Some(before) if between.iter().all(u8::is_ascii_whitespace) && before.goes_on_in(&word) => {
                before.text.extend_from_slice(&word.text);
            }
            _ => {
                close(&mut open, &mut out);
                out.extend_from_slice(between);
                open = Some(word);
            }
        }
        at = end;
    }
    close(&mut open, &mut out);
    out.extend_from_slice(&value[at..]);
    Some(out)
}

struct Word<'a> {
    charset: &'a [u8],
    encoding: u8,
    text: Vec<u8>,
}

impl Word<'_> {
    fn goes_on_in(&self, next: &Word<'_>) -> bool {
        // Behind padding base64 begins anew.
        let is_whole = self.encoding == b'Q' || !self.text.ends_with(b"=") && self.text.len().is_multiple_of(4);
        self.charset.eq_ignore_ascii_case(next.charset) && self.encoding == next.encoding && is_whole
    }
}

fn close(open: &mut Option<Word<'_>>, out: &mut Vec<u8>) {
    // A word without anything in it is nothing.
    if let Some(word) = open.take().filter(|word| !word.text.is_empty()) {
        let text = if word.encoding == b'Q' { escaped(&word.text) } else { word.text };
        for piece in [&b"=?"[..], word.charset, b"?", &[word.encoding], b"?", &text, b"?="] {
            out.extend_from_slice(piece);
        }
    }
}

/// An `=` that begins no escape stands for itself.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        let digits = text.get(at + 1..at + 3);
        let is_escape = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        out.extend_from_slice(if *byte == b'=' && !is_escape { b"=3D" } else { std::slice::from_ref(byte) });
    }
    out
}

/// The word that begins there, and where it ends.
fn word(value: &[u8], begin: usize) -> Option<(Word<'_>, usize)> {
    let rest = &value[begin + 2..];
    let charset = &rest[..memchr::memchr(b'?', rest)?];
    let is_charset = (1..=60).contains(&charset.len()) && charset.iter().all(u8::is_ascii_graphic);
    let [encoding, b'?', rest @ ..] = rest.get(charset.len() + 1..)? else { return None };
    let encoding = encoding.to_ascii_uppercase();
    let text = &rest[..memchr::memchr2(b'?', b'\n', rest)?];
    let is_text = rest[text.len()..].starts_with(b"?=");
    let end = value.len() - rest.len() + text.len() + 2;
    let is_one = is_charset && is_text && matches!(encoding, b'Q' | b'B');
    is_one.then(|| (Word { charset, encoding, text: text.to_vec() }, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_were_cut_are_one_and_others_stay() {
        for (value, expected) in [
            ("=?utf-8?Q?Gr=C3?= =?UTF-8?q?=BC=C3=9Fe?=", "=?utf-8?Q?Gr=C3=BC=C3=9Fe?="),
            ("=?utf-8?B?R3LD?=\r\n =?utf-8?B?vMOf?= you", "=?utf-8?B?R3LDvMOf?= you"),
            ("=?utf-8?B?QQ==?= =?utf-8?B?Qg==?=", "=?utf-8?B?QQ==?= =?utf-8?B?Qg==?="),
            ("=?a?Q?x?= =?b?Q?y?=", "=?a?Q?x?= =?b?Q?y?="),
            ("=?a?Q?x?= and =?a?Q?y?=", "=?a?Q?x?= and =?a?Q?y?="),
            ("=?a?Q??= =?b?B??=", " "),
            ("=?a?q?100=_sure=?=", "=?a?Q?100=3D_sure=3D?="),
            ("1 =? 2 =?a?X?y?= 3", "1 =? 2 =?a?X?y?= 3"),
        ] {
            let mended = mended(value.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(mended).unwrap(), expected, "{value}");
        }
        assert_eq!(mended(b"no word"), None);
    }
}
