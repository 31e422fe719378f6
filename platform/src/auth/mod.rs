//! Who calls: access tokens (`EdDSA`), API tokens with scopes, and the guard in front of routes.

mod admins;
mod caller;
mod guard;
mod keys;
mod opaque;
mod strangers;
mod token;

pub use admins::Admins;
pub use caller::{Caller, Scopes, TokenKind};
pub use guard::{API_TOKEN_PREFIX, ApiTokens, Guard, guard};
pub(crate) use keys::pem_blocks;
pub use keys::{Fault, Jwks};
pub use opaque::OpaqueToken;
pub use token::{AccessToken, Claims, Refusal, SetupFault, TokenSigner, TokenVerifier};
