//! Checkpoints as signed notes: C2SP signed-note with Ed25519 signatures, C2SP tlog-checkpoint as their text.
//!
//! ```text
//! orbit/0197f0a0-0000-7000-8000-0000000000ee
//! 4711
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — orbit/0197f0a0-0000-7000-8000-0000000000ee Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5…
//! ```
//!
//! The first line is the origin: it names the log, and holds its epoch, so that a log that was restored from a backup is
//! another one. Then come size and root of the tree. The key is called like the origin.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use orbit_platform::signing::{PUBLIC_KEY, SigningKey, verify};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::tree::Hash;

/// Notes longer than this are none of ours.
const NOTE_AT_MOST: usize = 16 * 1024;
/// The type of an Ed25519 signature.
const ED25519: u8 = 1;

/// The name of the log of an epoch.
pub fn origin(epoch: Uuid) -> String {
    format!("orbit/{epoch}")
}

/// What a checkpoint says: this log had this tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many facts.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads the text. Further lines are allowed and say nothing to us.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty())?;
        let digits = lines.next()?;
        let size: u64 = digits.parse().ok()?;
        let root = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
        // One way to write a number: no sign, no zeroes before it.
        (size.to_string() == digits && lines.all(|line| !line.is_empty())).then(|| Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// The signed note: the key's name is the origin.
    pub fn sign(&self, key: &SigningKey) -> String {
        sign(&self.text(), &self.origin, key)
    }

    /// Reads a signed checkpoint and says which of these keys signed it.
    pub fn open<'a>(note: &str, keys: &'a [VerifierKey]) -> Result<(Self, &'a VerifierKey), NoteFault> {
        let (text, key) = open(note, keys)?;
        Self::parse(text).map(|checkpoint| (checkpoint, key)).ok_or(NoteFault::NoCheckpoint)
    }

    /// Reads a signed checkpoint without looking at its signatures.
    pub fn peek(note: &str) -> Option<Self> {
        Self::parse(split(note).ok()?.0)
    }
}

/// Why a note is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteFault {
    /// It is no signed note.
    #[error("it is no signed note")]
    Malformed,
    /// None of the keys signed it.
    #[error("none of the keys that are trusted has signed it")]
    Unsigned,
    /// A key that is known signed something else.
    #[error("its signature does not fit its text")]
    BadSignature,
    /// It is well signed, and no checkpoint.
    #[error("it is no checkpoint")]
    NoCheckpoint,
}

/// A public key with its name: `name+hash+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    /// The name.
    pub name: String,
    /// The key.
    pub public: [u8; PUBLIC_KEY],
}

impl VerifierKey {
    /// What verifies the signatures of a key under a name.
    pub fn of(key: &SigningKey, name: impl Into<String>) -> Self {
        Self { name: name.into(), public: key.public() }
    }

    /// Four bytes that tell keys of one name apart.
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update([b'\n', ED25519]).chain_update(self.public);
        let [a, b, c, d, ..]: Hash = hash.finalize().into();
        [a, b, c, d]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], &self.public[..]].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(key))
    }
}

/// The text is no verifier key of Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a verifier key is expected: name+hash+base64 of an Ed25519 key, as GET /audit/checkpoint gives it")]
pub struct NoVerifierKey;

impl FromStr for VerifierKey {
    type Err = NoVerifierKey;

    fn from_str(text: &str) -> Result<Self, NoVerifierKey> {
        // Base64 has a + of its own.
        let mut parts = text.trim().splitn(3, '+');
        let mut part = || parts.next().ok_or(NoVerifierKey);
        let (name, id, key) = (part()?, part()?, part()?);
        let key = STANDARD.decode(key).map_err(|_| NoVerifierKey)?;
        let [ED25519, public @ ..] = key.as_slice() else { return Err(NoVerifierKey) };
        let public = public.try_into().map_err(|_| NoVerifierKey)?;
        let read = Self { name: name.to_owned(), public };
        (is_name(name) && format!("{:08x}", u32::from_be_bytes(read.id())) == id).then_some(read).ok_or(NoVerifierKey)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(char::is_whitespace)
}

/// Signs a text that ends in a newline.
fn sign(text: &str, name: &str, key: &SigningKey) -> String {
    let signature = [&VerifierKey::of(key, name).id()[..], &key.sign(text.as_bytes())].concat();
    format!("{text}\n— {name} {}\n", STANDARD.encode(signature))
}

/// The text of a note, and the first of these keys that has signed it. Signatures of others are no matter; one that
/// says it is of a known key and is not spoils the note.
fn open<'a, 'n>(note: &'n str, keys: &'a [VerifierKey]) -> Result<(&'n str, &'a VerifierKey), NoteFault> {
    let (text, signatures) = split(note)?;
    let mut signer = None;
    for line in signatures.split_terminator('\n') {
        let (name, signature) =
            line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(NoteFault::Malformed)?;
        let signature = STANDARD.decode(signature).map_err(|_| NoteFault::Malformed)?;
        let (id, signature) = signature.split_first_chunk::<4>().ok_or(NoteFault::Malformed)?;
        let Some(key) = keys.iter().find(|key| key.name == name && key.id() == *id) else { continue };
        if !verify(&key.public, text.as_bytes(), signature) {
            return Err(NoteFault::BadSignature);
        }
        signer = signer.or(Some(key));
    }
    signer.map(|key| (text, key)).ok_or(NoteFault::Unsigned)
}

/// Text and signatures, which the last empty line parts.
fn split(note: &str) -> Result<(&str, &str), NoteFault> {
    let plain = note.len() <= NOTE_AT_MOST && note.ends_with('\n') && !note.chars().any(|c| c < ' ' && c != '\n');
    let (text, signatures) = note.rsplit_once("\n\n").filter(|_| plain).ok_or(NoteFault::Malformed)?;
    if signatures.is_empty() {
        return Err(NoteFault::Malformed);
    }
    Ok((&note[..=text.len()], signatures))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of golang.org/x/mod/sumdb/note, which the specification was written after.
    const SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const SIGNATURE: &str =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn peter() -> SigningKey {
        let seed = STANDARD.decode(SEED).unwrap();
        SigningKey::from_seed(seed[1..].try_into().unwrap()).unwrap()
    }

    #[test]
    fn the_known_note_is_signed_and_opened_as_others_do() {
        let key: VerifierKey = KEY.parse().unwrap();
        assert_eq!(key, VerifierKey::of(&peter(), "PeterNeumann"));
        assert_eq!(key.to_string(), KEY);
        let note = format!("{TEXT}\n{SIGNATURE}");
        assert_eq!(sign(TEXT, "PeterNeumann", &peter()), note);
        let keys = [key];
        assert_eq!(open(&note, &keys), Ok((TEXT, &keys[0])));
        assert_eq!(Checkpoint::open(&note, &keys), Err(NoteFault::NoCheckpoint));
    }

    #[test]
    fn a_note_that_was_changed_or_is_somebody_elses_is_not_opened() {
        let keys = [KEY.parse().unwrap()];
        let note = format!("{TEXT}\n{SIGNATURE}");
        assert_eq!(open(&note.replace("problem", "question"), &keys), Err(NoteFault::BadSignature));
        assert_eq!(open(&note, &[]), Err(NoteFault::Unsigned));
        let other = [VerifierKey { name: "EnochRoot".into(), public: keys[0].public }];
        assert_eq!(open(&note, &other), Err(NoteFault::Unsigned));
        // A second signature, of somebody who is not known, changes nothing.
        let cosigned = format!(
            "{note}— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
        );
        assert_eq!(open(&cosigned, &keys), Ok((TEXT, &keys[0])));
        for malformed in ["", "\n", TEXT, &note[..note.len() - 1], &note.replace("— ", "- "), &format!("{TEXT}\n\n")]
        {
            assert_eq!(open(malformed, &keys), Err(NoteFault::Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn a_mangled_verifier_key_is_refused() {
        for end in 0..KEY.len() {
            assert!(KEY[..end].parse::<VerifierKey>().is_err(), "{}", &KEY[..end]);
        }
        assert!(KEY.replace("Peter", "Paul").parse::<VerifierKey>().is_err());
        assert!(KEY.replace("c74f", "c74e").parse::<VerifierKey>().is_err());
    }

    #[test]
    fn a_checkpoint_reads_back_and_says_one_thing_in_one_way() {
        let checkpoint = Checkpoint { origin: origin(Uuid::nil()), size: 20_852_163, root: [9; 32] };
        assert_eq!(Checkpoint::parse(&checkpoint.text()), Some(checkpoint.clone()));
        let keys = [VerifierKey::of(&peter(), origin(Uuid::nil()))];
        let note = checkpoint.sign(&peter());
        assert_eq!(Checkpoint::open(&note, &keys), Ok((checkpoint.clone(), &keys[0])));
        assert_eq!(Checkpoint::peek(&note), Some(checkpoint.clone()));
        let known = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        assert_eq!(Checkpoint::parse(known).unwrap().text(), known);
        let text = checkpoint.text();
        for wrong in [
            text.replace("20852163", "020852163"),
            text.replace("20852163", "+20852163"),
            text.replace("20852163", "-1"),
            text.replace("CQkJ", "CQk"),
            text.replacen("orbit", "\norbit", 1),
            format!("{text}\n"),
            text.trim_end().to_owned(),
        ] {
            assert_eq!(Checkpoint::parse(&wrong), None, "{wrong:?}");
        }
        assert!(Checkpoint::parse(&format!("{text}extension\n")).is_some());
    }
}
