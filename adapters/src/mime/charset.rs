//! Charsets: bytes to text, by what they are said to be and, where that cannot be, by what they are.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

use super::guarded;

/// A text, and whether it was what it was said to be.
pub(super) struct Decoded {
    pub text: String,
    pub is_clean: bool,
}

/// Decodes by a label such as `iso-8859-1`. `is_cut`: the bytes end anywhere, so half a character at the end is no fault.
pub(super) fn decode(bytes: &[u8], label: Option<&str>, is_cut: bool) -> Decoded {
    let label = label.map(|label| label.trim().trim_matches(['"', '\''])).filter(|label| !label.is_empty());
    let bytes = if is_cut { without_half_a_character(bytes) } else { bytes };
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        let (text, _, had_errors) = encoding.decode(bytes);
        return Decoded { text: text.into_owned(), is_clean: !had_errors };
    }
    match label.map(str::as_bytes).map(Encoding::for_label_no_replacement) {
        // Nothing but letters of ASCII is the same in all that are said to contain it.
        None | Some(None)
            if bytes.is_ascii() && label.is_none_or(|label| charset_decoder(label.as_bytes()).is_none()) =>
        {
            Decoded { text: String::from_utf8_lossy(bytes).into_owned(), is_clean: true }
        }
        Some(None) => unknown(bytes, label),
        None => guess(bytes),
        Some(Some(encoding)) => known(bytes, encoding),
    }
}

fn known(bytes: &[u8], encoding: &'static Encoding) -> Decoded {
    // What is called Latin-1 and reads as UTF-8 is UTF-8: by chance that does not happen.
    if encoding.is_single_byte() && !bytes.is_ascii() && str::from_utf8(bytes).is_ok() {
        return guess(bytes);
    }
    let (text, had_errors) = encoding.decode_without_bom_handling(bytes);
    if had_errors && encoding == UTF_8 {
        return guess(bytes);
    }
    Decoded { text: text.into_owned(), is_clean: !had_errors }
}

/// A label that the web does not know: mail knows some more.
fn unknown(bytes: &[u8], label: Option<&str>) -> Decoded {
    let decoder = label.and_then(|label| charset_decoder(label.as_bytes()));
    match decoder {
        Some(decoder) => Decoded { text: guarded(|| decoder(bytes)), is_clean: true },
        None => guess(bytes),
    }
}

/// UTF-8 if it is, and else what most mail without a charset was written in.
fn guess(bytes: &[u8]) -> Decoded {
    match str::from_utf8(bytes) {
        Ok(text) => Decoded { text: text.to_owned(), is_clean: false },
        Err(_) if holds_utf8(bytes) => Decoded { text: String::from_utf8_lossy(bytes).into_owned(), is_clean: false },
        Err(_) => Decoded { text: WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(), is_clean: false },
    }
}

/// Whether there is more of whole characters beyond ASCII than of bytes that are none.
fn holds_utf8(bytes: &[u8]) -> bool {
    let (mut whole, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    whole > broken
}

fn without_half_a_character(bytes: &[u8]) -> &[u8] {
    match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        Ok(_) | Err(_) => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], label: Option<&str>) -> (String, bool) {
        let decoded = decode(bytes, label, false);
        (decoded.text, decoded.is_clean)
    }

    #[test]
    fn texts_are_read_by_their_charset() {
        for (bytes, label, text) in [
            (&b"Gr\xfc\xdfe"[..], "iso-8859-1", "Grüße"),
            (b"\xcf\xf0\xe8\xe2\xe5\xf2", "windows-1251", "Привет"),
            (b"\x83n\x83\x8D\x81[", "Shift_JIS", "ハロー"),
            (b"\x1b$B%O%m!<\x1b(B", "iso-2022-jp", "ハロー"),
            ("Grüße".as_bytes(), "\"UTF-8\"", "Grüße"),
            (b"+ZYeB9FH6ckh5Pg-", "utf-7", "文致出版社"),
            (b"\x81berm\x84\xe1ig", "cp850", "übermäßig"),
            (b"H\x00i\x00", "utf-16le", "Hi"),
        ] {
            assert_eq!(read(bytes, Some(label)), (text.to_owned(), true), "{label}");
        }
        assert_eq!(read(b"plain", None), ("plain".to_owned(), true));
        assert_eq!(read(b"plain", Some("x-nobody-knows")), ("plain".to_owned(), true));
        assert_eq!(read(b"", Some("iso-2022-jp")), (String::new(), true));
    }

    #[test]
    fn what_is_wrongly_labelled_is_read_as_what_it_is() {
        for (bytes, label, text) in [
            ("Grüße".as_bytes(), Some("iso-8859-1"), "Grüße"),
            ("Grüße".as_bytes(), Some("us-ascii"), "Grüße"),
            ("Grüße".as_bytes(), None, "Grüße"),
            (b"Gr\xfc\xdfe", Some("utf-8"), "Grüße"),
            (b"Gr\xfc\xdfe", None, "Grüße"),
            (b"Gr\xfc\xdfe", Some("x-nobody-knows"), "Grüße"),
            (b"\xc3\xbc\xc3\xbc\xff", Some("utf-8"), "üü\u{fffd}"),
        ] {
            assert_eq!(read(bytes, label), (text.to_owned(), false), "{label:?} {text}");
        }
    }

    #[test]
    fn half_a_character_at_a_cut_is_left_out() {
        let decoded = decode("aü".as_bytes().split_last().unwrap().1, Some("utf-8"), true);
        assert_eq!((decoded.text.as_str(), decoded.is_clean), ("a", true));
    }
}
