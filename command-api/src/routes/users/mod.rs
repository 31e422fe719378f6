//! Users: accounts, logins (devices), API tokens, connections to accounts elsewhere.

mod account;
mod connections;
mod devices;
mod erase;
mod export;
mod login;
mod logins;
mod mail;
mod me;
mod password;
mod proof;
mod refresh;
mod register;
mod set_back;
mod test_connection;
mod tokens;
mod views;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub use connections::MAX_CONNECTIONS;
pub use logins::end as end_logins;
pub use register::scope as registration_scope;
pub use tokens::MAX_TOKENS;

/// What these routes take of an API token, where one will do.
const SCOPE: &str = "users:write";

/// Routes for who is not logged in yet, where somebody could try out addresses and passwords.
pub fn entered() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(register::register)).routes(routes!(login::login))
}

/// Routes for who is not logged in any more.
pub fn refreshed() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(refresh::refresh))
}

/// Routes that need a caller, and speak with servers that the caller names.
pub fn tests() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(test_connection::test))
}

/// Routes that need a caller.
pub fn guarded() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(logins::logout))
        .routes(routes!(logins::logout_all))
        .routes(routes!(devices::end))
        .routes(routes!(me::edit, erase::erase))
        .routes(routes!(erase::cancel))
        .routes(routes!(export::export))
        .routes(routes!(password::change))
        .routes(routes!(tokens::issue))
        .routes(routes!(tokens::revoke))
        .routes(routes!(connections::connect))
        .routes(routes!(connections::edit, connections::disconnect))
}
