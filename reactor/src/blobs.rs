//! Where bytes lie among the blobs: as facts write it, and as the store knows it.

use orbit_adapters::blobs::{Key, Place};
use orbit_event_store::BlobKey;
use orbit_events::emails::BlobRef;

/// As facts write it.
pub(crate) fn reference(place: &Place) -> BlobRef {
    BlobRef {
        pack: place.pack.simple().to_string(),
        key: place.key,
        offset: place.offset,
        length: place.length,
        chunk: place.chunk,
        sha256: BlobRef::written(&place.sha256),
    }
}

/// As the store knows it; `None` if what is written is none.
pub(crate) fn place(reference: &BlobRef) -> Option<Place> {
    Some(Place {
        pack: reference.pack_id()?,
        key: reference.key,
        offset: reference.offset,
        length: reference.length,
        chunk: reference.chunk,
        sha256: reference.digest()?,
    })
}

/// A user's key, as the store of blobs takes it.
pub(crate) fn key(BlobKey { number, bytes }: BlobKey) -> Key {
    Key { number, bytes }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_place_is_read_back_from_what_facts_write() {
        let known = Place {
            pack: Uuid::from_u128(0x7 << 76 | 0x29),
            key: 3,
            offset: 65_552,
            length: 9,
            chunk: 1,
            sha256: [0xAB; 32],
        };
        assert_eq!(place(&reference(&known)), Some(known));
        assert_eq!(place(&BlobRef { pack: "none".to_owned(), ..reference(&known) }), None);
    }
}
