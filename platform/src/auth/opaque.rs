//! Opaque tokens: an id, by which the token's record is found, and a secret, of which only a hash is kept.
//!
//! `prefix` and base64url of 16 bytes of id and 32 bytes of secret: `orb_pat_AZMC1W88…`.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::random;

const ID: usize = 16;
const SECRET: usize = 32;

/// A token as it is shown once to whom it belongs. It is not printed.
#[derive(Clone)]
pub struct OpaqueToken {
    prefix: &'static str,
    id: Uuid,
    secret: Zeroizing<[u8; SECRET]>,
}

impl OpaqueToken {
    /// A new token for the record `id`, with 256 random bits.
    pub fn new(prefix: &'static str, id: Uuid) -> Self {
        Self { prefix, id, secret: Zeroizing::new(random::bytes()) }
    }

    /// Reads a token; `None` if it is none with this prefix. One that is read need not be valid.
    pub fn parse(prefix: &'static str, text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(prefix)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).ok()?);
        let (id, secret) = bytes.split_first_chunk::<ID>()?;
        Some(Self { prefix, id: Uuid::from_bytes(*id), secret: Zeroizing::new(secret.try_into().ok()?) })
    }

    /// The record it belongs to.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The token itself; mind where it goes.
    pub fn expose(&self) -> String {
        let bytes = Zeroizing::new([&self.id.as_bytes()[..], &self.secret[..]].concat());
        format!("{}{}", self.prefix, URL_SAFE_NO_PAD.encode(&*bytes))
    }

    /// SHA-256 of the secret, hexadecimal: what is kept. 256 random bits need no salt and no slow hash.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.secret[..]))
    }

    /// Whether this is the token of a kept hash. Takes the same time wherever they differ.
    pub fn fits(&self, hash: &str) -> bool {
        self.hash().as_bytes().ct_eq(hash.as_bytes()).into()
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpaqueToken").field("prefix", &self.prefix).field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_fits_its_own_hash_only() {
        let id = Uuid::from_u128(7);
        let (one, other) = (OpaqueToken::new("orb_rt_", id), OpaqueToken::new("orb_rt_", id));
        let read = OpaqueToken::parse("orb_rt_", &one.expose()).unwrap();
        assert_eq!((read.id(), read.hash()), (id, one.hash()));
        assert!(read.fits(&one.hash()) && !read.fits(&other.hash()) && !read.fits(""));
        assert!(!format!("{one:?}").contains(&one.expose()[30..]));
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let token = OpaqueToken::new("orb_rt_", Uuid::nil()).expose();
        for text in [
            "",
            "orb_rt_",
            &token[1..],
            &token[..token.len() - 1],
            &format!("{token}A"),
            "orb_rt_ä",
            &token.replace("rt", "pat"),
        ] {
            assert!(OpaqueToken::parse("orb_rt_", text).is_none(), "{text}");
        }
    }
}
