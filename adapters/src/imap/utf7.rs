//! Names of folders as servers without UTF-8 spell them: modified UTF-7 (RFC 3501, section 5.1.3).

use base64::{
    Engine,
    alphabet::IMAP_MUTF7,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// The name that was spelled so. What is not spelled by the rules is shown as it stands.
pub fn decode(name: &[u8]) -> String {
    parse(name).unwrap_or_else(|| String::from_utf8_lossy(name).into_owned())
}

fn parse(name: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut rest = std::str::from_utf8(name).ok()?;
    while let Some((plain, coded)) = rest.split_once('&') {
        let (coded, after) = coded.split_once('-')?;
        text.push_str(plain);
        if coded.is_empty() {
            text.push('&');
        } else {
            let bytes = BASE64.decode(coded).ok()?;
            let units = bytes.chunks(2).map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
            text.push_str(&String::from_utf16(&units.collect::<Option<Vec<_>>>()?).ok()?);
        }
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

/// How a name is spelled.
pub fn encode(name: &str) -> Vec<u8> {
    let mut out = String::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let plain = |c: char| (' '..='~').contains(&c);
        let end = rest.find(|c| plain(c) != plain(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if plain(first) {
            out.push_str(&run.replace('&', "&-"));
        } else {
            let units: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
            out.push('&');
            BASE64.encode_string(units, &mut out);
            out.push('-');
        }
        rest = after;
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_the_standard_are_read_and_spelled() {
        let pairs = [
            ("INBOX", "INBOX"),
            ("R&D", "R&-D"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Gelöscht", "Gel&APY-scht"),
            ("✉😀", "&JwnYPd4A-"),
        ];
        for (name, spelled) in pairs {
            assert_eq!(String::from_utf8(encode(name)).unwrap(), spelled);
            assert_eq!(decode(spelled.as_bytes()), name);
        }
    }

    #[test]
    fn what_is_spelled_against_the_rules_is_shown_as_it_stands() {
        for spelled in ["a&b", "&2AA-", "&A-", "&!-", "Köln"] {
            assert_eq!(decode(spelled.as_bytes()), spelled);
        }
        assert_eq!(decode(b"\xff"), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in ".*") {
            let spelled = encode(&name);
            prop_assert!(spelled.iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert_eq!(decode(&spelled), name);
        }

        #[test]
        fn no_bytes_make_it_panic(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            decode(&name);
        }
    }
}
