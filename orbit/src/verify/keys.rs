//! Whose word counts: public keys, and checkpoints that were kept elsewhere.

use std::{fs, path::PathBuf};

use anyhow::{Context, anyhow, bail};
use orbit_event_store::proof::note::{Checkpoint, VerifierKey};
use orbit_platform::{
    config::{Environment, ProofArgs},
    signing::{PUBLIC_KEY, SigningKey},
};
use orbit_runtime::{Home, PROOF_KEY};

/// The public keys that may have signed: those that are named, or else that of the settings, or else that of the home
/// whose servers are looked at. None is not made here.
pub fn trusted(
    named: &[String],
    proof: &ProofArgs,
    environment: Environment,
    home: Option<&Home>,
) -> anyhow::Result<Vec<[u8; PUBLIC_KEY]>> {
    if !named.is_empty() {
        return named.iter().map(|key| Ok(key.parse::<VerifierKey>()?.public)).collect();
    }
    if let Some(key) = SigningKey::find(proof, environment)? {
        return Ok(vec![key.public()]);
    }
    let kept = home.map(|home| home.secrets_dir().join(PROOF_KEY)).filter(|path| path.exists());
    let Some(path) = kept else { return Ok(Vec::new()) };
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let key = SigningKey::from_pem(&text).ok_or_else(|| anyhow!("{} holds no Ed25519 key", path.display()))?;
    Ok(vec![key.public()])
}

/// Checkpoints from files, each signed with a key that is trusted.
pub fn witnessed(files: &[PathBuf], trusted: &[[u8; PUBLIC_KEY]]) -> anyhow::Result<Vec<Checkpoint>> {
    if !files.is_empty() && trusted.is_empty() {
        bail!("no key is known that --checkpoint could be signed with: name it with --key");
    }
    files
        .iter()
        .map(|file| {
            let note = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let name = Checkpoint::peek(&note).map(|checkpoint| checkpoint.origin).unwrap_or_default();
            let keys: Vec<_> =
                trusted.iter().map(|public| VerifierKey { name: name.clone(), public: *public }).collect();
            let opened = Checkpoint::open(&note, &keys);
            opened.map(|(checkpoint, _)| checkpoint).map_err(|fault| anyhow!("{}: {fault}", file.display()))
        })
        .collect()
}
