//! What is asked of e-mails, drafts and all that belongs to them.

mod set_back;

/// What changing e-mails takes of an API token.
const SCOPE: &str = "email:write";
