//! What a user decides about threads. Which e-mails belong together follows from the e-mails; only what the user says
//! against that is recorded, each decision in a stream of its own.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{EmailId, codec::facts};

facts! {
    /// What becomes of a decision about threads.
    category "threads"
    #[doc = "E-mails are to be one thread."]
    Merged(Merged) = "threads.merged" 1 []
    #[doc = "E-mails are to be a thread of their own."]
    Split(Split) = "threads.split" 1 []
    #[doc = "A decision about threads was taken back."]
    Dissolved(Dissolved) = "threads.dissolved" 1 []
}

/// E-mails are to be one thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// 2 to 500 of them.
    pub email_ids: Vec<EmailId>,
}

/// E-mails are to be a thread of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// 1 to 500 of them.
    pub email_ids: Vec<EmailId>,
}

/// A decision about threads was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dissolved {}

impl Event {
    fn mentioned(&self) -> Vec<Uuid> {
        match self {
            Self::Merged(Merged { email_ids }) | Self::Split(Split { email_ids }) => {
                email_ids.iter().map(|email| email.0).collect()
            }
            Self::Dissolved(_) => Vec::new(),
        }
    }
}
