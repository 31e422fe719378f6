//! The rules of Orbit: per aggregate a `State`, its `Command`s, its `Rejection`s, `decide` and `evolve`.
//!
//! Pure and deterministic: time, ids and actor come in through [`Context`] or the command. `decide` changes nothing,
//! `evolve` refuses nothing. Asking for what is already true yields no facts; the impossible is a named rejection.

mod aggregate;
mod folding;
mod values;

pub mod activities;
pub mod emails;
pub mod tasks;
pub mod undo;
pub mod users;

#[cfg(test)]
mod given;
#[cfg(test)]
mod laws;

pub use aggregate::{Aggregate, Claim, ClaimKey, Context, Fields, Kind, Reject, Taken};
pub use folding::Folding;
pub use values::{Color, Invalid, Secret, Text};

/// What to tell a caller whose command wanted a claim of this scope that another stream holds.
pub fn taken(scope: &str) -> Taken {
    // One line per context.
    let unnamed = Taken { code: "already_taken", field: None, detail: "this is already taken" };
    let taken = tasks::taken(scope).or_else(|| users::taken(scope));
    taken.or_else(|| emails::taken(scope)).unwrap_or(unnamed)
}

/// A code with which a command may be refused, for the pages that explain them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, `snake_case`.
    pub code: &'static str,
    /// Which status it becomes.
    pub kind: Kind,
    /// A sentence for a person.
    pub detail: String,
}

/// Every rejection of every aggregate.
pub fn refusals() -> Vec<Refusal> {
    fn each<R: Reject>() -> impl Iterator<Item = Refusal> {
        R::ALL.iter().map(|it| Refusal { code: it.code(), kind: it.kind(), detail: it.to_string() })
    }
    fn of<A: Aggregate>() -> impl Iterator<Item = Refusal> {
        each::<A::Rejection>()
    }
    // One line per context.
    let tasks = of::<tasks::List>()
        .chain(of::<tasks::Task>())
        .chain(of::<tasks::Label>())
        .chain(each::<tasks::order::Rejection>());
    let users = of::<users::User>().chain(of::<users::Login>()).chain(of::<users::ApiToken>());
    let users = users.chain(of::<users::Connection>());
    let emails = of::<emails::Email>().chain(of::<emails::Draft>()).chain(of::<emails::Submission>());
    let emails = emails.chain(of::<emails::Thread>()).chain(of::<emails::Folder>()).chain(of::<emails::Attachment>());
    tasks.chain(users).chain(emails).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_rejection_has_a_code_of_its_own_and_a_sentence() {
        let refusals = refusals();
        let codes: HashSet<_> = refusals.iter().map(|refusal| refusal.code).collect();
        assert_eq!(codes.len(), refusals.len());
        for Refusal { code, detail, .. } in refusals {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
            assert!(!detail.is_empty() && !detail.contains(['{', '}']), "{code}: {detail}");
        }
    }

    #[test]
    fn a_claim_that_was_lost_is_told_by_name() {
        use {
            emails::{attachment, draft, email, folder, submission},
            tasks::{label, list, task},
            users::{api_token, connection, login, user},
        };
        for (scope, code) in [
            (list::NAME, "list_name_taken"),
            (list::ORDER, "position_taken"),
            (label::NAME, "label_name_taken"),
            (task::ORDER, "position_taken"),
            (task::CHILD, "parent_taken"),
            (user::EMAIL, "email_taken"),
            (user::ERASURE_DUE, "erasure_requested"),
            (login::USER, "login_exists"),
            (api_token::USER, "api_token_exists"),
            (connection::USER, "connection_exists"),
            (email::MESSAGE, "email_exists"),
            (draft::USER, "draft_exists"),
            (submission::DUE, "submission_exists"),
            (submission::MESSAGE_ID, "submission_exists"),
            (folder::USER, "folder_exists"),
            (attachment::USER, "attachment_exists"),
            ("other.scope", "already_taken"),
        ] {
            assert_eq!(taken(scope).code, code);
        }
    }
}
