//! The kinds of problem that the contexts answer with: those of the rules, made from the rejections themselves, and
//! those that only the edge knows.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::http::StatusCode;
use orbit_domain::{Kind, Refusal};
use orbit_platform::problem::ProblemKind;

/// Every kind, for the pages that explain them.
pub fn all() -> impl Iterator<Item = &'static ProblemKind> {
    KINDS.values()
}

/// The kind of a code.
pub fn find(code: &str) -> Option<&'static ProblemKind> {
    KINDS.get(code)
}

/// The status of a kind of rejection.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unauthorised => StatusCode::UNAUTHORIZED,
        Kind::Gone => StatusCode::GONE,
    }
}

static KINDS: LazyLock<BTreeMap<&'static str, ProblemKind>> = LazyLock::new(|| {
    let rules = orbit_domain::refusals();
    rules.iter().map(of_rule).chain(edge()).map(|kind| (kind.code, kind)).collect()
});

/// A page of a rejection: its own sentence, and what can be done about rejections of its kind.
fn of_rule(refusal: &Refusal) -> ProblemKind {
    let mut letters = refusal.detail.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let title: String = first.chain(letters).collect();
    let explanation = match refusal.kind {
        Kind::NotFound => "What the request names does not exist, or is somebody else's.",
        Kind::Conflict => "The rules do not allow this in the present state. Read the object again and decide.",
        Kind::Invalid => {
            "The rules do not allow this, whatever the state. `errors` names the field, if it is about one."
        }
        Kind::Unauthorised => "The credentials are not, or no longer, good for this.",
        Kind::Gone => "What the request names existed and has been removed for good.",
    };
    // Made once, as many as there are rules, and needed for as long as the process lives.
    ProblemKind { code: refusal.code, status: status(refusal.kind), title: title.leak(), explanation }
}

macro_rules! edge {
    ($($status:ident $code:literal, $title:literal, $explanation:literal;)+) => {
        fn edge() -> impl Iterator<Item = ProblemKind> {
            [$(ProblemKind { code: $code, status: StatusCode::$status, title: $title, explanation: $explanation }),+].into_iter()
        }
    };
}

edge! {
    CONFLICT "rebuild_ended", "The rebuild has ended",
        "It is complete, failed, or was cancelled: there is nothing left to stop.";
    CONFLICT "email_taken", "An account with this e-mail address exists already",
        "Addresses are compared without regard to case. Log in, or register with another address.";
    CONFLICT "erasure_requested", "The erasure of this account was requested already",
        "Read the account: `erasure_due_at` says when it is erased.";
    CONFLICT "list_name_taken", "Another list has this name",
        "Names of lists are unique without regard to case. Choose another one.";
    CONFLICT "label_name_taken", "Another label has this name",
        "Names of labels are unique without regard to case. Choose another one.";
    CONFLICT "position_taken", "Another one just took this place",
        "Several writes wanted the same place at the same time. Send the request again.";
    CONFLICT "parent_taken", "Another task holds this place below its parent",
        "Send the request again.";
    CONFLICT "already_taken", "This is already taken",
        "Something that may exist only once exists already.";
    UNAUTHORIZED "invalid_credentials", "E-mail address or password are not right",
        "There is no account with this address, or the password is another one. Which of the two is not told.";
    TOO_MANY_REQUESTS "login_locked", "Too many failed attempts",
        "Five failed attempts within 15 minutes lock an account for the address they came from. Wait for as many seconds as `Retry-After` says.";
    UNPROCESSABLE_ENTITY "wrong_password", "The password is not right",
        "This change needs the present password, and the one that was sent is another one.";
    UNAUTHORIZED "refresh_reuse_detected", "The refresh token was used before",
        "Each refresh token is good for one use. One that comes a second time may have been stolen, so this device was logged out. Log in again.";
    CONFLICT "too_many_api_tokens", "There are too many API tokens",
        "Revoke one that is no longer needed before issuing another.";
    CONFLICT "too_many_connections", "There are too many connections",
        "Disconnect one that is no longer needed before connecting another.";
    UNPROCESSABLE_ENTITY "unknown_list", "There is no such list",
        "A field of the body names a list that does not exist, was removed, or is somebody else's.";
    UNPROCESSABLE_ENTITY "unknown_label", "There is no such label",
        "A field of the body names a label that does not exist, was removed, or is somebody else's.";
    UNPROCESSABLE_ENTITY "unknown_task", "There is no such task",
        "A field of the body names a task that does not exist, is in the trash, or is somebody else's.";
    UNPROCESSABLE_ENTITY "unknown_folder", "There is no such folder",
        "A field of the body names a folder that does not exist, was removed, or is somebody else's; or the account of the e-mail has no folder for that.";
    UNPROCESSABLE_ENTITY "other_account", "The folder belongs to another account",
        "E-mails are moved among the folders of the account that they lie in.";
    UNPROCESSABLE_ENTITY "unknown_email", "There is no such e-mail",
        "A field of the body names an e-mail that does not exist, was deleted, or is somebody else's.";
    UNPROCESSABLE_ENTITY "unknown_attachment", "There is no such upload",
        "A field of the body, or of the draft, names a file that was not uploaded, was discarded, or is somebody else's.";
    UNPROCESSABLE_ENTITY "unknown_connection", "There is no such connection",
        "A field of the body, or of the draft, names a connection that does not exist, is of another kind, or is somebody else's.";
    UNPROCESSABLE_ENTITY "not_a_mail_server", "Only connections to mail servers can be tested",
        "The account, or the connection, is of another kind than `imap` or `smtp`.";
    UNPROCESSABLE_ENTITY "no_sending_connection", "It is not clear through which account to send",
        "There is none of kind `smtp`, or there are several. Connect one, or name it as `connection_id`.";
    UNPROCESSABLE_ENTITY "no_sender_address", "The account does not say which address it sends from",
        "Its `username` is no e-mail address. Set its `address`.";
    UNPROCESSABLE_ENTITY "message_too_large", "The message would be too large",
        "With all its files, encoded as mail wants it, a message has at most 35 MiB. Send fewer files.";
    CONFLICT "folder_name_taken", "Another folder has this name",
        "Choose another one.";
    CONFLICT "too_many_folders", "There are too many folders",
        "No more can be made.";
    CONFLICT "too_many_drafts", "There are too many drafts",
        "Send or discard one before beginning another.";
    CONFLICT "too_many_attachments", "Too many files wait to be sent",
        "Discard one that is no longer needed before uploading another.";
    CONFLICT "too_many_imports", "Too many mailboxes are being taken in",
        "Wait until one is done, or cancel it, before bringing another.";
    CONFLICT "import_ended", "The import has ended",
        "It is complete, failed, or was cancelled: there is nothing left to stop.";
    UNPROCESSABLE_ENTITY "not_in_list", "The neighbour stands in another list",
        "`before_id` and `after_id` name a task of the list that the task is to stand in.";
    UNPROCESSABLE_ENTITY "own_neighbour", "Nothing is its own neighbour",
        "`before_id` and `after_id` name another task or list than the one that is moved.";
    CONFLICT "undo_conflict", "A later change stands in the way",
        "`errors` names each field with `expected`, what undoing needs to find (where a rule stands in the way: what it would give the field), and `actual`, what is there. Undo the later change first, or set the field by hand.";
    CONFLICT "irreversible", "This cannot be taken back",
        "The world outside was touched, or somebody's security: `errors` names the types of the facts and why. Nothing was changed.";
    UNPROCESSABLE_ENTITY "too_many_facts", "These are too many facts to undo at once",
        "One request takes back at most 5,001 facts, by at most 10,002 new ones. Undo them one by one, or in smaller groups.";
    UNPROCESSABLE_ENTITY "too_many_subtasks", "There are too many sub-tasks",
        "This would touch more sub-tasks than one request may. Do it for the sub-tasks first, then for the task.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_has_a_page() {
        for refusal in orbit_domain::refusals() {
            let kind = find(refusal.code).unwrap_or_else(|| panic!("{} has no page", refusal.code));
            assert_eq!(kind.status, status(refusal.kind), "{}", refusal.code);
        }
    }

    #[test]
    fn no_code_means_two_things() {
        let rules = orbit_domain::refusals();
        for kind in edge() {
            assert!(rules.iter().all(|refusal| refusal.code != kind.code), "{}", kind.code);
        }
    }
}
