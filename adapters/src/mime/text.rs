//! The text of a message: which parts are it, and how they read.

use std::borrow::Cow;

use super::{
    Encoding, TEXT_BYTES, charset, clean,
    decoder::{self, Uuencoded},
    html,
    note::{Note, Notes},
    structure::{Disposition, Entity, Lines, Structure},
};

/// How much of a message's text is looked at.
pub(super) const LOOKED_AT: usize = 2 * 1024 * 1024;

/// One stretch of what a reader sees: as text, as HTML, or as both of which one is chosen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    pub plain: Vec<usize>,
    pub html: Vec<usize>,
}

/// What of a message is its text, and what lies beside it.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub pieces: Vec<Piece>,
    /// Files and what the HTML shows.
    pub beside: Vec<usize>,
}

impl Chosen {
    pub fn of(structure: &Structure<'_>) -> Self {
        let mut chosen = Self::default();
        chosen.take(structure, 0);
        chosen
    }

    pub fn has_html(&self) -> bool {
        self.pieces.iter().any(|piece| !piece.html.is_empty())
    }

    fn take(&mut self, structure: &Structure<'_>, index: usize) {
        let entity = &structure.entities[index];
        match entity.media.as_str() {
            "multipart/alternative" if !entity.children.is_empty() => self.alternative(structure, entity),
            _ if !entity.children.is_empty() => {
                entity.children.iter().for_each(|child| self.take(structure, *child));
            }
            _ => self.leaf(entity, index),
        }
    }

    fn leaf(&mut self, entity: &Entity<'_>, index: usize) {
        let is_whole = index == 0;
        // A text that has a file's name is a file, even where it wants to be shown.
        let is_file = entity.disposition == Disposition::Attachment || entity.filename.is_some();
        let is_read = entity.is_text() && !is_file;
        let is_odd_text = is_whole && entity.media.starts_with("text/") && entity.media != "text/calendar";
        if entity.encoding == Encoding::Nested || !(is_read || is_odd_text) {
            self.beside.push(index);
        } else if entity.media == "text/html" {
            self.pieces.push(Piece { html: vec![index], ..Piece::default() });
        } else {
            self.pieces.push(Piece { plain: vec![index], ..Piece::default() });
        }
    }

    /// The same thing several times: the first that is text, and the last, which is best, that is HTML.
    fn alternative(&mut self, structure: &Structure<'_>, entity: &Entity<'_>) {
        let mut piece = Piece::default();
        for child in &entity.children {
            let mut one = Self::default();
            one.take(structure, *child);
            let (plain, html): (Vec<_>, Vec<_>) = one.pieces.into_iter().map(|piece| (piece.plain, piece.html)).unzip();
            let (plain, html) = (plain.concat(), html.concat());
            if piece.plain.is_empty() {
                piece.plain = plain;
            }
            if !html.is_empty() {
                piece.html = html;
            }
            self.beside.extend(one.beside);
        }
        if piece != Piece::default() {
            self.pieces.push(piece);
        }
    }
}

/// The text of a message.
#[derive(Default)]
pub(super) struct Text {
    pub content: String,
    /// Whether there is more of it.
    pub is_cut: bool,
    /// Files that were written in it, each with the part that holds it.
    pub files: Vec<(usize, Uuencoded)>,
}

/// Reads the text of a message, derived from the HTML where there is no other.
pub(super) fn read(structure: &Structure<'_>, chosen: &Chosen, notes: &mut Notes) -> Text {
    let mut read = Text::default();
    let mut left = LOOKED_AT;
    for piece in &chosen.pieces {
        let mut text = String::new();
        for index in &piece.plain {
            read.plain(structure, *index, &mut left, &mut text, notes);
        }
        if text.trim().is_empty() {
            text.clear();
            for index in &piece.html {
                let html = read.leaf(structure, *index, &mut left, notes);
                append(&mut text, &clean::lines(&html::plain(&html), notes));
            }
        }
        append(&mut read.content, text.trim_end());
    }
    let kept = clean::cut(&read.content, TEXT_BYTES).len();
    read.is_cut |= kept < read.content.len();
    read.content.truncate(kept);
    notes.add_if(read.is_cut, Note::TextCut);
    read
}

impl Text {
    /// Appends a part that is text, without the files that were written in it.
    fn plain(
        &mut self,
        structure: &Structure<'_>,
        index: usize,
        left: &mut usize,
        text: &mut String,
        notes: &mut Notes,
    ) {
        let entity = &structure.entities[index];
        let whole = clean::lines(&self.leaf(structure, index, left, notes), notes);
        let files = decoder::uuencoded(&whole);
        let (mut own, mut at) = (String::with_capacity(whole.len()), 0);
        for file in &files {
            own.push_str(&whole[at..file.range.start]);
            at = file.range.end;
        }
        own.push_str(&whole[at..]);
        self.files.extend(files.into_iter().map(|file| (index, file)));
        match entity.lines {
            Lines::Fixed => append(text, &own),
            Lines::Flowed => append(text, &flowed(&own, false)),
            Lines::FlowedWithoutSpace => append(text, &flowed(&own, true)),
        }
    }

    /// Decodes a part that is text, as far as is looked at.
    fn leaf(&mut self, structure: &Structure<'_>, index: usize, left: &mut usize, notes: &mut Notes) -> String {
        let entity = &structure.entities[index];
        let (bytes, is_cut) = decoded(structure, entity, *left, notes);
        *left -= bytes.len();
        self.is_cut |= is_cut;
        let label = match entity.media.as_str() {
            "text/html" => html::label(entity.charset.as_deref(), &bytes),
            _ => entity.charset.clone(),
        };
        let decoded = charset::decode(&bytes, label.as_deref(), is_cut);
        notes.add_if(!decoded.is_clean, Note::WrongCharset);
        decoded.text
    }
}

/// The bytes of a part, at most so many, and whether there are more.
pub(super) fn decoded<'a>(
    structure: &Structure<'a>,
    entity: &Entity<'_>,
    at_most: usize,
    notes: &mut Notes,
) -> (Cow<'a, [u8]>, bool) {
    let bytes = structure.bytes(entity);
    if entity.encoding == Encoding::Identity {
        let is_cut = bytes.len() > at_most;
        return (Cow::Borrowed(&bytes[..bytes.len().min(at_most)]), is_cut);
    }
    let (mut decoded, is_broken) = decoder::decode(entity.encoding, bytes, at_most + 1);
    let is_cut = decoded.len() > at_most;
    decoded.truncate(at_most);
    if is_broken && !is_cut {
        note_broken(entity.encoding, notes);
    }
    (Cow::Owned(decoded), is_cut)
}

/// What is broken about an encoding, as a note.
pub(super) fn note_broken(encoding: Encoding, notes: &mut Notes) {
    match encoding {
        Encoding::Base64 => notes.add(Note::BrokenBase64),
        Encoding::QuotedPrintable => notes.add(Note::BrokenQuotedPrintable),
        // Nothing can be broken about them.
        Encoding::Identity | Encoding::Nested => {}
    }
}

fn append(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
}

/// Joins lines that were broken for the way (RFC 3676): those that end with a space go on in the next one, if it is quoted
/// as deep.
fn flowed(text: &str, is_delsp: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut goes_on = None;
    for (nth, line) in text.split('\n').enumerate() {
        let rest = line.trim_start_matches('>');
        let depth = line.len() - rest.len();
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let is_signature = rest == "-- ";
        if is_signature || goes_on != Some(depth) {
            if nth > 0 {
                out.push('\n');
            }
            out.push_str(&line[..depth]);
            if depth > 0 && !rest.is_empty() {
                out.push(' ');
            }
        }
        let is_flowed = !is_signature && rest.ends_with(' ');
        out.push_str(if is_flowed && is_delsp { &rest[..rest.len() - 1] } else { rest });
        goes_on = is_flowed.then_some(depth);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str) -> (String, Vec<&'static str>) {
        let mut notes = Notes::default();
        let structure = Structure::parse(raw.as_bytes(), &mut notes);
        let text = read(&structure, &Chosen::of(&structure), &mut notes);
        (text.content, notes.codes())
    }

    #[test]
    fn lines_that_flow_are_joined_as_deep_as_they_are_quoted() {
        let text = "One line \nthat goes on.\n> quoted \n> too\n>> deeper \n> not joined\n stuffed\n-- \nAda \nL";
        let joined = "One line that goes on.\n> quoted too\n>> deeper \n> not joined\nstuffed\n-- \nAda L";
        assert_eq!(flowed(text, false), joined);
        assert_eq!(flowed("Donau \ndampf", true), "Donaudampf");
        assert_eq!(flowed("", false), "");
    }

    #[test]
    fn of_alternatives_the_text_is_read_and_html_only_where_it_says_nothing() {
        let both = |plain: &str| {
            format!(
                "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n{plain}\n--b\nContent-Type: text/html\n\n\
                 <p>from <b>HTML</b>\n--b--\n"
            )
        };
        assert_eq!(text(&both("from text")).0, "from text");
        assert_eq!(text(&both("  \n ")).0, "from HTML");
    }

    #[test]
    fn texts_that_follow_each_other_are_one_and_files_are_not_among_them() {
        let raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n--b\nContent-Type: text/html\n\n<p>second\n\
            --b\nContent-Disposition: attachment\n\nno text\n--b\nContent-Type: text/plain; name=\"n.txt\"\n\nnor this\n\
            --b\n\nlist footer\n--b--\n";
        assert_eq!(text(raw), ("first\nsecond\nlist footer".to_owned(), vec![]));
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_only_so_much_is_looked_at() {
        let (cut, notes) = text(&format!("Content-Type: text/plain; charset=utf-8\n\n{}", "ä".repeat(40_000)));
        assert_eq!((cut.len(), notes), (TEXT_BYTES, vec!["text_cut"]));
        let html = format!("Content-Type: text/html; charset=utf-8\n\n{}end", "<p> ".repeat(600_000));
        assert_eq!(text(&html), (String::new(), vec!["text_cut"]));
    }
}
