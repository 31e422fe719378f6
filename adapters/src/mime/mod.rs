//! Messages (RFC 5322, MIME): what they say, whatever state they are in, and how one is written.
//!
//! In reading order: [`read`] gives a [`Reading`], which is what a fact keeps; [`html`] and [`part`] are for what is asked
//! for later, from the same bytes; [`sanitise`] makes HTML fit to be shown; [`compose`] writes a message. All are total:
//! no bytes make them fail, and what they cost grows with the message and no faster.

mod bounce;
mod charset;
mod clean;
mod compose;
mod decoder;
pub(crate) mod fields;
mod html;
mod language;
pub(crate) mod note;
mod parts;
mod reading;
mod structure;
mod text;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use compose::{Attachment, Compose, compose};
pub use decoder::Decoder;
pub use html::{HTML_BYTES, Images, Sanitised, html, sanitise};
pub use parts::{PART_BYTES, part};
pub use reading::{Action, Address, Bounce, BouncedRecipient, Encoding, Part, Reading, read};

// The limits of a reading: those of the fact that it becomes.

/// Most bytes of a message's text, cut between characters.
pub const TEXT_BYTES: usize = 65_536;
/// Most characters of a subject.
pub const SUBJECT_CHARS: usize = 998;
/// Most bytes of an address.
pub const ADDRESS_BYTES: usize = 320;
/// Most addresses in each field.
pub const ADDRESSES_EACH: usize = 500;
/// Most bytes of all addresses and names of a message together.
pub const ADDRESSES_BYTES: usize = 65_536;
/// Most message ids in a field: the first, and the last 99.
pub const REFERENCES: usize = 100;
/// Most bytes of all message ids in `References` and `In-Reply-To` together.
pub const REFERENCES_BYTES: usize = 32_768;
/// Most parts that are told.
pub const PARTS: usize = 200;
/// Most bytes of all texts of the parts together.
pub const PARTS_BYTES: usize = 65_536;
/// Most characters of a file's name.
pub const FILENAME_CHARS: usize = 255;
/// Most bytes of a message id.
pub const MESSAGE_ID_BYTES: usize = 998;
/// Most recipients that a report is read for.
pub const BOUNCED: usize = 100;
/// Most bytes of what a report says about all of them together.
pub const BOUNCED_BYTES: usize = 32_768;

/// Runs a parser that is not ours on bytes that are anybody's. Should it panic, one field is unread, and not the mailbox.
fn guarded<T: Default>(parse: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_that_panics_has_read_nothing() {
        assert_eq!(guarded(|| -> Option<u8> { panic!("as some parsers do") }), None);
        assert_eq!(guarded(|| Some(1)), Some(1));
    }
}
