//! Ed25519 signatures (RFC 8032) over bytes: what proofs are signed with. Access tokens have keys of their own, in
//! [`auth`](crate::auth).

use std::{fmt, sync::Arc};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::{
    auth::pem_blocks,
    config::{Environment, Fault, ProofArgs},
};

/// Bytes of a public key.
pub const PUBLIC_KEY: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE: usize = 64;

/// A private key. It never prints; clones share it.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Ed25519KeyPair>,
    public: [u8; PUBLIC_KEY],
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl SigningKey {
    /// The key of the settings, which signs the log's checkpoints.
    pub fn from_args(args: &ProofArgs, environment: Environment) -> Result<Self, Fault> {
        Self::from_pem(args.proof_key(environment)?.expose()).ok_or(MALFORMED)
    }

    /// The key of the settings, if they have one.
    pub fn find(args: &ProofArgs, environment: Environment) -> Result<Option<Self>, Fault> {
        let key = args.find_proof_key(environment)?;
        key.map(|pem| Self::from_pem(pem.expose()).ok_or(MALFORMED)).transpose()
    }

    /// A key from PKCS#8 in PEM (RFC 8410); text around the block is allowed.
    pub fn from_pem(pem: &str) -> Option<Self> {
        let der = pem_blocks(pem, "PRIVATE KEY").next().flatten()?;
        // «Maybe unchecked»: what openssl writes holds no public key that could be compared.
        Self::new(Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok()?)
    }

    /// A key from its 32 secret bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        Self::new(Ed25519KeyPair::from_seed_unchecked(seed).ok()?)
    }

    fn new(pair: Ed25519KeyPair) -> Option<Self> {
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair: Arc::new(pair), public })
    }

    /// What verifies its signatures.
    pub fn public(&self) -> [u8; PUBLIC_KEY] {
        self.public
    }

    /// The signature of a message: always the same one.
    ///
    /// # Panics
    /// Never: a key that was read signs, and Ed25519 signatures have one length.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        let signature = self.pair.sign(message);
        signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

const MALFORMED: Fault = Fault::Malformed {
    setting: "ORBIT_PROOF_KEY",
    expected: "an Ed25519 key as PKCS#8 in PEM (openssl genpkey -algorithm ed25519)",
};

/// Whether this key made this signature of this message.
pub fn verify(public: &[u8; PUBLIC_KEY], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::generate_signing_key;

    #[test]
    fn the_first_vectors_of_the_standard_come_out() {
        // RFC 8032, 7.1, tests 1 and 2.
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let bytes = |text| hex::decode(text).unwrap();
            let key = SigningKey::from_seed(&bytes(seed).try_into().unwrap()).unwrap();
            assert_eq!(key.public().to_vec(), bytes(public));
            assert_eq!(key.sign(&bytes(message)).to_vec(), bytes(signature));
            assert!(verify(&key.public(), &bytes(message), &bytes(signature)));
            assert!(!verify(&key.public(), b"another message", &bytes(signature)));
            assert!(!verify(&key.public(), &bytes(message), &bytes(signature)[1..]));
        }
    }

    #[test]
    fn a_generated_key_reads_and_nonsense_does_not() {
        let key = SigningKey::from_pem(&generate_signing_key()).unwrap();
        assert!(verify(&key.public(), b"said", &key.sign(b"said")));
        assert_eq!(format!("{key:?}"), "[secret]");
        assert!(SigningKey::from_pem("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----").is_none());
        assert!(SigningKey::from_pem("").is_none());
    }
}
