//! Who may administer: rebuild read models, look at the work of the machine. A right of named users, beside their scopes.

use std::{collections::BTreeSet, sync::Arc};

use uuid::Uuid;

use super::Caller;
use crate::{
    config::{AuthArgs, Environment},
    problem::ApiError,
};

/// The scope that an API token of an administrator needs.
const SCOPE: &str = "admin";

/// The users who may administer. Clones share them.
#[derive(Clone, Debug)]
pub struct Admins(Option<Arc<BTreeSet<Uuid>>>);

impl Admins {
    /// Those whom the settings name. If they name nobody: on somebody's desk everybody, in production nobody.
    pub fn from_args(args: &AuthArgs, environment: Environment) -> Self {
        let named: BTreeSet<Uuid> = args.admins.iter().copied().collect();
        match environment {
            Environment::Development if named.is_empty() => Self(None),
            Environment::Development | Environment::Production => Self(Some(Arc::new(named))),
        }
    }

    /// Refuses (403) who may not.
    pub fn require(&self, caller: &Caller) -> Result<(), ApiError> {
        caller.require(SCOPE)?;
        match &self.0 {
            Some(named) if !named.contains(&caller.user_id) => {
                Err(ApiError::forbidden("only an administrator may do this: their ids are in the setting ORBIT_ADMINS"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::auth::Scopes;

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        auth: AuthArgs,
    }

    fn admins(words: &[&str], environment: Environment) -> Admins {
        let words = ["test"].iter().chain(words);
        Admins::from_args(&Settings::try_parse_from(words).unwrap().auth, environment)
    }

    #[test]
    fn named_users_may_administer_and_nobody_else() {
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let named = admins(&["--admins", &ada.to_string()], Environment::Production);
        assert!(named.require(&Caller::session(ada, bob)).is_ok());
        assert_eq!(named.require(&Caller::session(bob, ada)).unwrap_err().code(), "forbidden");
        let token = Caller::api(ada, bob, Scopes::only(["tasks:write"]));
        assert_eq!(named.require(&token).unwrap_err().code(), "missing_scope");
    }

    #[test]
    fn without_names_everybody_may_on_a_desk_and_nobody_in_production() {
        let caller = Caller::session(Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(admins(&[], Environment::Development).require(&caller).is_ok());
        assert!(admins(&[], Environment::Production).require(&caller).is_err());
    }
}
