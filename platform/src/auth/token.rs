//! Access tokens: short-lived JWTs signed with `EdDSA`, verified without asking anybody.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind, jwk::JwkSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    caller::Caller,
    keys::{Fault, Jwks, PublicKey, private_key, public_keys},
};
use crate::{
    clock::Clock,
    config::{AuthArgs, Environment, Fault as SettingFault},
    ids,
    recent::Recent,
};

/// How far the clocks of two machines may be apart.
const LEEWAY_S: i64 = 5;
/// A token longer than this is none of ours.
const TOKEN_AT_MOST: usize = 4_096;
/// How long a signature is not checked again.
const REMEMBERED: Duration = Duration::from_mins(15);

/// What an access token says (RFC 7519).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The user.
    pub sub: Uuid,
    /// The login.
    pub sid: Uuid,
    /// The token's own id.
    pub jti: Uuid,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
}

/// A fresh access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The JWT.
    pub token: String,
    /// How long it lives, in seconds.
    pub expires_in: u32,
}

/// Why a token is refused. The caller learns no more than whether it has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No JWT of ours at all: `alg: none`, another algorithm, garbage.
    #[error("malformed")]
    Malformed,
    /// A key that we do not know.
    #[error("unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("bad signature")]
    BadSignature,
    /// Somebody else issued it.
    #[error("wrong issuer")]
    WrongIssuer,
    /// It is for somebody else.
    #[error("wrong audience")]
    WrongAudience,
    /// It was valid.
    #[error("expired")]
    Expired,
    /// It says that it comes from the future.
    #[error("issued in the future")]
    NotYet,
}

/// Why neither signer nor verifier could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupFault {
    /// A setting is missing or unreadable.
    #[error(transparent)]
    Setting(#[from] SettingFault),
    /// A key is not what is expected.
    #[error(transparent)]
    Key(#[from] Fault),
}

/// Makes access tokens.
#[derive(Clone)]
pub struct TokenSigner {
    key: Arc<EncodingKey>,
    kid: String,
    issuer: String,
    audience: String,
    ttl_s: u32,
    clock: Clock,
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl TokenSigner {
    /// A signer with the key and the lifetime of the settings.
    pub fn from_args(args: &AuthArgs, environment: Environment, clock: Clock) -> Result<Self, SetupFault> {
        let private = private_key(args.signing_key(environment)?.expose())?;
        Ok(Self {
            key: Arc::new(private.key),
            kid: private.public.kid,
            issuer: args.token_issuer.clone(),
            audience: args.token_audience.clone(),
            ttl_s: args.access_token_ttl_s,
            clock,
        })
    }

    /// A token for a user on a device.
    ///
    /// # Panics
    /// Never: the key was read when the signer was made, and signing with a key that was read cannot fail.
    pub fn sign(&self, user_id: Uuid, sid: Uuid) -> AccessToken {
        let now = self.clock.now();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user_id,
            sid,
            jti: ids::new_v7(&self.clock),
            iat: now.timestamp(),
            exp: (now + TimeDelta::seconds(self.ttl_s.into())).timestamp(),
        };
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &self.key);
        AccessToken { token: token.expect("a key that was read signs"), expires_in: self.ttl_s }
    }
}

/// Verifies access tokens. Nothing is remembered between two tokens, unless it is told to [remember](Self::remembering).
#[derive(Clone)]
pub struct TokenVerifier {
    keys: Arc<BTreeMap<String, DecodingKey>>,
    jwks: Jwks,
    validation: Arc<Validation>,
    clock: Clock,
    seen: Option<Recent<String, Seen>>,
}

/// What matters of a token whose signature was found to be right.
#[derive(Clone, Copy)]
struct Seen {
    sub: Uuid,
    sid: Uuid,
    iat: i64,
    exp: i64,
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier").field("keys", &self.keys.keys()).finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// A verifier that accepts the signing key and the verification keys of the settings.
    pub fn from_args(args: &AuthArgs, environment: Environment, clock: Clock) -> Result<Self, SetupFault> {
        let mut keys = Vec::new();
        if let Some(pem) = args.find_signing_key(environment)? {
            keys.push(private_key(pem.expose())?.public);
        }
        if let Some(pem) = args.verification_keys.as_deref().filter(|pem| !pem.trim().is_empty()) {
            keys.extend(public_keys(&pem.replace("\\n", "\n"))?);
        }
        if keys.is_empty() {
            return Err(Fault::Missing.into());
        }
        Ok(Self::new(keys, &args.token_issuer, &args.token_audience, clock))
    }

    fn new(keys: Vec<PublicKey>, issuer: &str, audience: &str, clock: Clock) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // The library asks the machine for the time; ours comes from the clock.
        validation.validate_exp = false;
        let jwks = Jwks(JwkSet { keys: keys.iter().map(|key| key.jwk.clone()).collect() });
        let keys = keys.into_iter().map(|key| (key.kid, key.key)).collect();
        Self { keys: Arc::new(keys), jwks, validation: Arc::new(validation), clock, seen: None }
    }

    /// The same verifier with a memory: the signature of a token that it has seen to be right is not checked again, its
    /// times are. For processes whose other work is as short as a signature's check. At most so many `tokens`, half a
    /// kilobyte each.
    #[must_use]
    pub fn remembering(mut self, tokens: usize) -> Self {
        self.seen = Some(Recent::new(tokens, REMEMBERED));
        self
    }

    /// The public keys, for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> &Jwks {
        &self.jwks
    }

    /// Who a token belongs to, or why it is refused.
    pub fn verify(&self, token: &str) -> Result<Caller, Refusal> {
        let Some(seen) = &self.seen else {
            let claims = self.claims(token)?;
            return Ok(caller(claims.sub, claims.sid, claims.exp));
        };
        if let Some(claims) = seen.get(token) {
            self.check_times(claims.iat, claims.exp)?;
            return Ok(caller(claims.sub, claims.sid, claims.exp));
        }
        let Claims { sub, sid, iat, exp, .. } = self.claims(token)?;
        seen.insert(token.to_owned(), Seen { sub, sid, iat, exp });
        Ok(caller(sub, sid, exp))
    }

    /// What a valid token says.
    pub fn claims(&self, token: &str) -> Result<Claims, Refusal> {
        if token.len() > TOKEN_AT_MOST {
            return Err(Refusal::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
        if header.alg != Algorithm::EdDSA {
            return Err(Refusal::Malformed);
        }
        let key = header.kid.and_then(|kid| self.keys.get(&kid)).ok_or(Refusal::UnknownKey)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => Refusal::BadSignature,
                ErrorKind::InvalidIssuer => Refusal::WrongIssuer,
                ErrorKind::InvalidAudience => Refusal::WrongAudience,
                _ => Refusal::Malformed,
            })?
            .claims;
        self.check_times(claims.iat, claims.exp)?;
        Ok(claims)
    }

    fn check_times(&self, iat: i64, exp: i64) -> Result<(), Refusal> {
        let now = self.clock.now().timestamp();
        if exp.saturating_add(LEEWAY_S) <= now {
            return Err(Refusal::Expired);
        }
        if iat.saturating_sub(LEEWAY_S) > now {
            return Err(Refusal::NotYet);
        }
        Ok(())
    }
}

fn caller(user_id: Uuid, login_id: Uuid, exp: i64) -> Caller {
    Caller::session(user_id, login_id).until(DateTime::from_timestamp(exp, 0))
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
