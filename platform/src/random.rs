//! Randomness. The only place that asks the operating system's generator for it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::TryRng;

/// `N` bytes that nobody can guess.
///
/// # Panics
/// When the operating system has no randomness to give: nothing that needs a secret may then go on.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives randomness once it is up");
    bytes
}

/// `N` bytes that do not repeat: from the thread's own generator (`ChaCha12`, seeded and reseeded by the operating
/// system), which spares a system call for each. For nonces and jitter; keys and tokens come from [`bytes()`].
#[expect(clippy::disallowed_methods, reason = "this is the place that the others are sent to")]
pub fn nonce<const N: usize>() -> [u8; N] {
    rand::RngExt::random(&mut rand::rng())
}

/// A secret of 256 bits as 43 characters of unpadded base64url: refresh tokens, API tokens, tickets.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_43_url_safe_characters_and_never_the_same() {
        let (one, other) = (token(), token());
        assert_eq!(one.len(), 43);
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        assert_ne!(one, other);
    }
}
