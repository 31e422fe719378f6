//! The parts of a message beside its text: which there are, and what is in one of them.

use sha2::{Digest, Sha256};

use super::{
    Encoding, PARTS, PARTS_BYTES, Part, clean,
    decoder::{self, Decoder, PIECE, Uuencoded},
    note::{Note, Notes},
    structure::{Disposition, Entity, Structure},
    text::{Chosen, Text, note_broken},
};

/// The largest part that [`part`] takes apart.
pub const PART_BYTES: usize = 64 * 1024 * 1024;

/// Lists the parts: those beside the text, and files that were written in it.
pub(super) fn list(structure: &Structure<'_>, chosen: &Chosen, text: &Text, notes: &mut Notes) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut left = PARTS_BYTES;
    for index in &chosen.beside {
        if parts.len() == PARTS {
            break;
        }
        parts.push(beside(structure, *index, notes));
    }
    let mut last = (usize::MAX, 0);
    for (index, file) in &text.files {
        last = if last.0 == *index { (*index, last.1 + 1) } else { (*index, 1) };
        if parts.len() < PARTS {
            parts.push(written(&structure.entities[*index], last.1, file, notes));
        }
    }
    let all = parts.len();
    parts.retain(|part| {
        let bytes = part.path.len()
            + part.content_type.len()
            + part.filename.as_deref().map_or(0, str::len)
            + part.content_id.as_deref().map_or(0, str::len);
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    });
    let told = chosen.beside.len() + text.files.len();
    notes.add_if(parts.len() < all || all < told, Note::ManyPartsCut);
    parts
}

fn beside(structure: &Structure<'_>, index: usize, notes: &mut Notes) -> Part {
    let entity = &structure.entities[index];
    let (size, sha256) = match entity.encoding {
        Encoding::Nested => {
            let content = uuencoded(structure, entity);
            (content.len() as u64, Sha256::digest(&content).into())
        }
        Encoding::Identity | Encoding::Base64 | Encoding::QuotedPrintable => digest(structure, entity, notes),
    };
    Part {
        path: entity.path.clone(),
        filename: entity.filename.clone(),
        content_type: entity.media.clone(),
        size,
        sha256: Some(sha256),
        is_inline: match entity.disposition {
            Disposition::Inline => true,
            Disposition::Attachment => false,
            Disposition::Untold => entity.content_id.is_some(),
        },
        content_id: entity.content_id.clone(),
        offset: entity.body.start as u64,
        length: entity.body.len() as u64,
        encoding: entity.encoding,
    }
}

/// Size and hash of what a part decodes to, without holding it.
fn digest(structure: &Structure<'_>, entity: &Entity<'_>, notes: &mut Notes) -> (u64, [u8; 32]) {
    let mut sha256 = Sha256::new();
    let bytes = structure.bytes(entity);
    if entity.encoding == Encoding::Identity {
        sha256.update(bytes);
        return (bytes.len() as u64, sha256.finalize().into());
    }
    let mut decoder = Decoder::new(entity.encoding);
    let (mut size, mut out) = (0, Vec::with_capacity(PIECE));
    let mut take = |out: &mut Vec<u8>| {
        sha256.update(&*out);
        size += out.len() as u64;
        out.clear();
    };
    for piece in bytes.chunks(PIECE) {
        decoder.decode(piece, &mut out);
        take(&mut out);
    }
    if decoder.end(&mut out) {
        note_broken(entity.encoding, notes);
    }
    take(&mut out);
    (size, sha256.finalize().into())
}

fn written(entity: &Entity<'_>, nth: usize, file: &Uuencoded, notes: &mut Notes) -> Part {
    Part {
        path: format!("{}.{nth}", entity.path),
        filename: Some(clean::line(&file.name, super::FILENAME_CHARS, notes)),
        content_type: "application/octet-stream".to_owned(),
        size: file.content.len() as u64,
        sha256: Some(Sha256::digest(&file.content).into()),
        is_inline: false,
        content_id: None,
        offset: entity.body.start as u64,
        length: entity.body.len() as u64,
        encoding: Encoding::Nested,
    }
}

/// The first file in a part that is uuencoded as a whole; what it holds, if there is none.
fn uuencoded(structure: &Structure<'_>, entity: &Entity<'_>) -> Vec<u8> {
    let text = String::from_utf8_lossy(structure.bytes(entity));
    let first = decoder::uuencoded(&text.replace('\r', "")).into_iter().next();
    first.map_or_else(|| structure.bytes(entity).to_vec(), |file| file.content)
}

/// What is in a part, decoded, however it lies in the message; at most [`PART_BYTES`].
pub fn part(raw: &[u8], path: &str) -> Option<Vec<u8>> {
    let mut notes = Notes::default();
    let raw = clean::line_ends(raw, &mut notes);
    let structure = Structure::parse(&raw, &mut notes);
    if let Some(entity) = structure.entities.iter().find(|entity| entity.path == path) {
        let mut content = match entity.encoding {
            Encoding::Nested => uuencoded(&structure, entity),
            encoding => decoder::decode(encoding, structure.bytes(entity), PART_BYTES).0,
        };
        content.truncate(PART_BYTES);
        return Some(content);
    }
    let (holder, nth) = path.rsplit_once('.')?;
    let nth: usize = nth.parse().ok()?;
    let text = super::text::read(&structure, &Chosen::of(&structure), &mut notes);
    let mut files = text.files.into_iter().filter(|(index, _)| structure.entities[*index].path == holder);
    files.nth(nth.checked_sub(1)?).map(|(_, file)| file.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UU: &str = "begin 644 note.txt\n+2&5L;&\\L($UA:6P \n`\nend\n";

    fn parts(raw: &str) -> (Vec<Part>, Vec<&'static str>) {
        let mut notes = Notes::default();
        let structure = Structure::parse(raw.as_bytes(), &mut notes);
        let chosen = Chosen::of(&structure);
        let text = super::super::text::read(&structure, &chosen, &mut notes);
        (list(&structure, &chosen, &text, &mut notes), notes.codes())
    }

    #[test]
    fn a_part_says_where_it_lies_and_what_it_decodes_to() {
        let raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: image/png; name=a.png\n\
            Content-ID: <a@b>\nContent-Disposition: inline\nContent-Transfer-Encoding: base64\n\nSGVs\nbG8=\n--b--\n";
        let (parts, notes) = parts(raw);
        let [only] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((only.path.as_str(), only.size, only.encoding), ("2", 5, Encoding::Base64));
        assert_eq!((only.is_inline, only.content_id.as_deref()), (true, Some("a@b")));
        let at = usize::try_from(only.offset).unwrap();
        let encoded = &raw[at..at + usize::try_from(only.length).unwrap()];
        assert_eq!(encoded, "SGVs\nbG8=");
        let mut decoder = Decoder::new(only.encoding);
        let content = [decoder.push(encoded.as_bytes()), decoder.finish()].concat();
        assert_eq!(Some(content.clone()), part(raw.as_bytes(), "2"));
        assert_eq!(only.sha256, Some(Sha256::digest(content).into()));
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(part(raw.as_bytes(), "1").as_deref(), Some(&b"text"[..]));
        for nowhere in ["", "3", "1.1", "2.1", "1.0", "a.b"] {
            let found = part(raw.as_bytes(), nowhere);
            // The whole has a path too, which is none.
            assert!(found.is_none() || nowhere.is_empty(), "{nowhere}");
        }
    }

    #[test]
    fn files_in_uuencode_are_parts_wherever_they_are_written() {
        let inline = format!("Subject: x\n\nSee:\n{UU}Bye\n{UU}");
        let (found, _) = parts(&inline);
        let paths: Vec<_> =
            found.iter().map(|part| (part.path.as_str(), part.filename.as_deref(), part.size)).collect();
        assert_eq!(paths, [("1.1", Some("note.txt"), 11), ("1.2", Some("note.txt"), 11)]);
        assert_eq!(part(inline.as_bytes(), "1.2").as_deref(), Some(&b"Hello, Mail"[..]));
        assert_eq!(part(inline.as_bytes(), "1.3"), None);
        let whole = format!("Content-Type: image/gif; name=a.gif\nContent-Transfer-Encoding: x-uuencode\n\n{UU}");
        let (found, _) = parts(&whole);
        assert_eq!((found[0].path.as_str(), found[0].size, found[0].encoding), ("1", 11, Encoding::Nested));
        assert_eq!(part(whole.as_bytes(), "1").as_deref(), Some(&b"Hello, Mail"[..]));
    }

    #[test]
    fn of_very_many_parts_so_many_are_told_as_a_fact_may_hold() {
        let part = format!("--b\nContent-Type: image/png; name=\"{}\"\n\nx\n", "n".repeat(250));
        let (told, notes) = parts(&format!("Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n", part.repeat(300)));
        assert_eq!((told.len(), notes), (PARTS, vec!["many_parts_cut"]));
        let part = format!("--b\nContent-Type: image/png; name=\"{}\"\n\nx\n", "ß".repeat(255));
        let (told, notes) = parts(&format!("Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n", part.repeat(190)));
        assert!((100..190).contains(&told.len()), "{}", told.len());
        assert_eq!(notes, ["many_parts_cut"]);
    }
}
