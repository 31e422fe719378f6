//! Secrets: values that do not print, where they come from, and the ones made for a desk.

use std::{convert::Infallible, fmt, path::Path, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::{Environment, Fault};
use crate::random;

/// What generated secrets carry, so that production can refuse them wherever they were copied to.
pub const GENERATED_MARKER: &str = "orbit-generated";

/// A value that shows itself only when asked by name: `Debug` and `Display` print `[secret]`, dropping wipes it.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Hides a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value. Whoever asks must not print it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether it is the empty text, which counts as not set.
    pub fn is_empty(&self) -> bool {
        self.expose().trim().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(value: &str) -> Result<Self, Infallible> {
        Ok(Self::new(value))
    }
}

/// The key that wraps every user's data key: 256 bits.
#[derive(Clone)]
pub struct MasterKey(Arc<SecretBox<[u8; 32]>>);

impl MasterKey {
    /// Reads base64 of 32 bytes, with or without the marker of a generated one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix(GENERATED_MARKER).map_or(text, |rest| rest.trim_start_matches(':'));
        let mut bytes = STANDARD.decode(text).ok()?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).ok().map(|key| Self(Arc::new(SecretBox::new(Box::new(key)))));
        zeroize::Zeroize::zeroize(&mut bytes);
        key
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A fresh master key as text for a file or a variable, marked as generated.
pub fn generate_master_key() -> String {
    format!("{GENERATED_MARKER}:{}", STANDARD.encode(random::bytes::<32>()))
}

/// A fresh Ed25519 key as PKCS#8 in PEM (RFC 8410), marked as generated in the text before it (RFC 7468 allows one).
pub fn generate_signing_key() -> String {
    /// SEQUENCE { version 0, algorithm 1.3.101.112, OCTET STRING { OCTET STRING of 32 bytes follows } }
    const PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let der = [&PREFIX[..], &random::bytes::<32>()].concat();
    let body = STANDARD.encode(der);
    format!("{GENERATED_MARKER}\n-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

/// A secret given as a value or as the name of a file that holds it. The value wins; an empty one counts as none.
pub(super) fn read(
    setting: &'static str,
    file_setting: &'static str,
    value: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Option<Secret>, Fault> {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        // Several lines are hard to write into a variable: `\n` stands for an end of line in a PEM.
        let text = value.expose();
        let text = if text.contains("-----BEGIN") { text.replace("\\n", "\n") } else { text.to_owned() };
        tracing::debug!(setting, "read from its variable");
        return Ok(Some(Secret::new(text)));
    }
    let Some(path) = file.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path).map_err(|source| Fault::Unreadable {
        setting: file_setting,
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(Secret::new(text)))
}

/// In production, refuses a secret that carries the marker or lies in a directory `.orbit/secrets`.
pub(super) fn refuse_generated(
    environment: Environment,
    setting: &'static str,
    secret: Option<&Secret>,
    file: Option<&Path>,
) -> Result<(), Fault> {
    let marked = secret.is_some_and(|secret| secret.expose().contains(GENERATED_MARKER));
    let beside = file.and_then(Path::parent).is_some_and(|folder| folder.ends_with(".orbit/secrets"));
    match environment {
        Environment::Production if marked || beside => Err(Fault::Generated { setting }),
        Environment::Production | Environment::Development => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret]");
        let key = MasterKey::parse(&generate_master_key()).unwrap();
        assert_eq!(format!("{key:?}"), "[secret]");
    }

    #[test]
    fn a_generated_master_key_reads_back_and_a_wrong_one_does_not() {
        assert!(MasterKey::parse(&generate_master_key()).is_some());
        assert!(MasterKey::parse(&STANDARD.encode([7; 32])).is_some());
        assert!(MasterKey::parse(&STANDARD.encode([7; 31])).is_none());
        assert!(MasterKey::parse("password").is_none());
    }

    #[test]
    fn production_refuses_what_was_generated_for_development() {
        let generated = Secret::new(generate_signing_key());
        let own = Secret::new("something of its own");
        let inside = Path::new("/srv/.orbit/secrets/signing-key.pem");
        let refuse = |environment, secret, file| refuse_generated(environment, "X", Some(secret), file).is_err();
        assert!(refuse(Environment::Production, &generated, None));
        assert!(refuse(Environment::Production, &own, Some(inside)));
        assert!(!refuse(Environment::Production, &own, Some(Path::new("/run/secrets/key"))));
        assert!(!refuse(Environment::Development, &generated, Some(inside)));
    }

    #[test]
    fn a_value_wins_over_a_file_and_nothing_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "from the file").unwrap();
        let value = Secret::new("from the variable");
        let read = |value, file| read("X", "X_FILE", value, file).unwrap().map(|secret| secret.expose().to_owned());
        assert_eq!(read(Some(&value), Some(&file)).as_deref(), Some("from the variable"));
        let empty = Secret::new("");
        assert_eq!(read(Some(&empty), Some(&file)).as_deref(), Some("from the file"));
        assert_eq!(read(None, None), None);
        let gone = folder.path().join("gone");
        let fault = super::read("X", "X_FILE", None, Some(&gone)).unwrap_err();
        assert!(fault.to_string().starts_with("X_FILE names "), "{fault}");
    }
}
