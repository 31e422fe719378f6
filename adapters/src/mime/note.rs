//! Notes: what was odd about a message, so that whoever wonders at its reading knows why.

/// An oddity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    NoHeaders,
    NoFrom,
    ManyFrom,
    NoDate,
    BadDate,
    NoMessageId,
    BadMessageId,
    EightBitHeaders,
    WrongCharset,
    BrokenBase64,
    BrokenQuotedPrintable,
    UnclosedMultipart,
    TooDeep,
    ManyPartsCut,
    AddressesCut,
    ReferencesCut,
    TextCut,
    NulBytes,
    BareCr,
    Truncated,
}

/// All of them, in the order in which they are told, with their codes.
const CODES: [(Note, &str); 20] = [
    (Note::NoHeaders, "no_headers"),
    (Note::NoFrom, "no_from"),
    (Note::ManyFrom, "many_from"),
    (Note::NoDate, "no_date"),
    (Note::BadDate, "bad_date"),
    (Note::NoMessageId, "no_message_id"),
    (Note::BadMessageId, "bad_message_id"),
    (Note::EightBitHeaders, "eight_bit_headers"),
    (Note::WrongCharset, "wrong_charset"),
    (Note::BrokenBase64, "broken_base64"),
    (Note::BrokenQuotedPrintable, "broken_quoted_printable"),
    (Note::UnclosedMultipart, "unclosed_multipart"),
    (Note::TooDeep, "too_deep"),
    (Note::ManyPartsCut, "many_parts_cut"),
    (Note::AddressesCut, "addresses_cut"),
    (Note::ReferencesCut, "references_cut"),
    (Note::TextCut, "text_cut"),
    (Note::NulBytes, "nul_bytes"),
    (Note::BareCr, "bare_cr"),
    (Note::Truncated, "truncated"),
];

/// Each note at most once.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

impl Notes {
    pub fn add(&mut self, note: Note) {
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    pub fn add_if(&mut self, is_so: bool, note: Note) {
        if is_so {
            self.add(note);
        }
    }

    pub fn codes(&self) -> Vec<&'static str> {
        CODES.iter().filter(|(note, _)| self.0.contains(note)).map(|(_, code)| *code).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_told_once_and_in_their_order() {
        let mut notes = Notes::default();
        for note in [Note::Truncated, Note::NoFrom, Note::Truncated, Note::NoHeaders] {
            notes.add(note);
        }
        assert_eq!(notes.codes(), ["no_headers", "no_from", "truncated"]);
        let mut all = Notes::default();
        for (note, _) in CODES {
            all.add(note);
        }
        assert_eq!(all.codes().len(), 20, "each has one code");
    }
}
