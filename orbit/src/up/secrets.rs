//! The keys of `orbit up`: those that the settings give, or else generated ones that are kept in `.orbit/secrets`.
//!
//! In production nothing is generated: what is missing is named by the process that misses it.

use std::path::PathBuf;

use orbit_platform::config::{
    AuthArgs, Environment, KeysArgs, ProofArgs, Secret, generate_master_key, generate_signing_key,
};
use orbit_runtime::{Fault, Home, MASTER_KEY, NEXT_MASTER_KEY, PROOF_KEY, SIGNING_KEY, Secrets};

/// Fills in the signing key unless the settings give one.
pub fn complete_signing_key(environment: Environment, home: &Home, auth: &mut AuthArgs) -> Result<(), Fault> {
    if environment == Environment::Development && !is_given(auth.signing_key.as_ref(), auth.signing_key_file.as_ref()) {
        let key = Secrets::open(home)?.get_or_create(SIGNING_KEY, || Ok(generate_signing_key()))?;
        auth.signing_key = Some(Secret::new(key));
    }
    Ok(())
}

/// Whether the settings give a master key.
pub fn gives_master_key(keys: &KeysArgs) -> bool {
    is_given(keys.master_key.as_ref(), keys.master_key_file.as_ref())
}

/// Fills in the key of the checkpoints unless the settings give one.
pub fn complete_proof_key(environment: Environment, home: &Home, proof: &mut ProofArgs) -> Result<(), Fault> {
    if environment == Environment::Development && !is_given(proof.proof_key.as_ref(), proof.proof_key_file.as_ref()) {
        let key = Secrets::open(home)?.get_or_create(PROOF_KEY, || Ok(generate_signing_key()))?;
        proof.proof_key = Some(Secret::new(key));
    }
    Ok(())
}

/// Fills in the master key unless the settings give one.
pub fn complete_master_key(environment: Environment, home: &Home, keys: &mut KeysArgs) -> Result<(), Fault> {
    if environment == Environment::Development && !gives_master_key(keys) {
        let secrets = Secrets::open(home)?;
        secrets.get_or_create(MASTER_KEY, || Ok(generate_master_key()))?;
        // Files, not what is in them: `orbit keys rotate` makes the next one while this process runs.
        keys.master_key_file = Some(secrets.path(MASTER_KEY));
        keys.master_key_previous_file = Some(secrets.path(NEXT_MASTER_KEY));
    }
    Ok(())
}

/// Whether the settings give a master key.
pub fn is_master_key_given(keys: &KeysArgs) -> bool {
    is_given(keys.master_key.as_ref(), keys.master_key_file.as_ref())
}

fn is_given(value: Option<&Secret>, file: Option<&PathBuf>) -> bool {
    value.is_some_and(|value| !value.is_empty()) || file.is_some_and(|file| !file.as_os_str().is_empty())
}
