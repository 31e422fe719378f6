//! Ed25519 keys: from PEM, named by their thumbprint (RFC 7638), shown to the world as a JWKS.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, OctetKeyPairParameters,
        OctetKeyPairType, PublicKeyUse, ThumbprintHash,
    },
};

/// What stands before the 32 bytes of an Ed25519 public key in DER (RFC 8410).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Why there are no keys. Nothing of a key is in here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Fault {
    /// The private key.
    #[error(
        "ORBIT_SIGNING_KEY is not an Ed25519 key as PKCS#8 in PEM: make one with openssl genpkey -algorithm ed25519"
    )]
    Signing,
    /// A public key.
    #[error(
        "ORBIT_VERIFICATION_KEYS holds something that is not an Ed25519 public key in PEM: make it with openssl pkey -pubout"
    )]
    Verification,
    /// No key at all.
    #[error("neither ORBIT_SIGNING_KEY nor ORBIT_VERIFICATION_KEYS is set: without a key no token can be verified")]
    Missing,
}

/// The public keys as `/.well-known/jwks.json` shows them.
#[derive(Clone, Debug)]
pub struct Jwks(pub(super) JwkSet);

impl Jwks {
    /// The document.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }
}

/// A public key and its name.
#[derive(Clone)]
pub(super) struct PublicKey {
    pub kid: String,
    pub key: DecodingKey,
    pub jwk: Jwk,
}

pub(super) struct PrivateKey {
    pub key: EncodingKey,
    pub public: PublicKey,
}

/// A private key from PEM.
pub(super) fn private_key(pem: &str) -> Result<PrivateKey, Fault> {
    let der = pem_blocks(pem, "PRIVATE KEY").next().flatten().ok_or(Fault::Signing)?;
    let key = EncodingKey::from_ed_der(&der);
    let jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(|_| Fault::Signing)?;
    let public = named(jwk).ok_or(Fault::Signing)?;
    Ok(PrivateKey { key, public })
}

/// Public keys from PEM, one after the other.
pub(super) fn public_keys(pem: &str) -> Result<Vec<PublicKey>, Fault> {
    let keys = pem_blocks(pem, "PUBLIC KEY").map(|der| {
        let der = der?;
        let x = der.strip_prefix(&PUBLIC_PREFIX).filter(|x| x.len() == 32)?;
        named(Jwk {
            common: CommonParameters::default(),
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: URL_SAFE_NO_PAD.encode(x),
            }),
        })
    });
    let keys = keys.collect::<Option<Vec<_>>>().ok_or(Fault::Verification)?;
    if keys.is_empty() { Err(Fault::Verification) } else { Ok(keys) }
}

fn named(mut jwk: Jwk) -> Option<PublicKey> {
    let kid = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
    jwk.common = CommonParameters {
        public_key_use: Some(PublicKeyUse::Signature),
        key_algorithm: Some(KeyAlgorithm::EdDSA),
        key_id: Some(kid.clone()),
        ..CommonParameters::default()
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(PublicKey { kid, key, jwk })
}

/// The contents of PEM blocks with a label (RFC 7468); text between blocks is allowed and skipped.
pub(crate) fn pem_blocks<'a>(pem: &'a str, label: &'a str) -> impl Iterator<Item = Option<Vec<u8>>> + 'a {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut rest = pem;
    std::iter::from_fn(move || {
        let (_, tail) = rest.split_once(&begin)?;
        let Some((body, tail)) = tail.split_once(&end) else {
            rest = "";
            return Some(None);
        };
        rest = tail;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        Some(STANDARD.decode(body).ok())
    })
}
