//! Checkpoints: are they well signed, by whom they should be, and do they say what the columns beside them say?

use sqlx::PgConnection;

use super::{Check, Question, Verdict};
use crate::{
    Fault,
    proof::{
        note::{Checkpoint, VerifierKey},
        seals::Seal,
        tree::Hash,
    },
};

/// Checkpoints read at once.
const PAGE: i64 = 1_000;

/// A root that the facts must give.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub size: u64,
    pub hash: Hash,
    /// Whose word it is.
    pub check: Check,
}

/// Looks at every checkpoint that is kept, and gives the roots to hold the facts to, by size: forty bytes for each of
/// some 9,000 checkpoints a year.
pub(super) async fn verify(
    connection: &mut PgConnection,
    question: &Question,
    verdict: &mut Verdict,
) -> Result<Vec<Root>, Fault> {
    let mut roots: Vec<Root> = question
        .witnessed
        .iter()
        .map(|theirs| Root { size: theirs.size, hash: theirs.root, check: Check::Witness })
        .collect();
    for theirs in &question.witnessed {
        let head = verdict.head.unsigned_abs();
        if theirs.size > head {
            let says = format!("a witness has a checkpoint of {} facts, and the log ends at {head}", theirs.size);
            verdict.note(Check::Witness, verdict.head + 1, says);
        }
    }
    let (mut size, mut verifier) = (-1, String::new());
    loop {
        let page = Seal::after(connection, size, &verifier, PAGE).await?;
        for seal in &page {
            verdict.checkpoints += 1;
            if let Some(wrong) = fault_of(seal, question) {
                verdict.note(Check::Checkpoints, None, format!("the checkpoint of {} facts: {wrong}", seal.size));
            }
            roots.push(Root { size: seal.size.unsigned_abs(), hash: seal.root, check: Check::Checkpoints });
        }
        match page.last() {
            Some(last) if i64::try_from(page.len()) == Ok(PAGE) => {
                (size, verifier) = (last.size, last.verifier.clone());
            }
            _ => break,
        }
    }
    roots.sort_by_key(|root| root.size);
    Ok(roots)
}

/// What is wrong with a checkpoint, as far as it can be seen from itself.
fn fault_of(seal: &Seal, question: &Question) -> Option<String> {
    let key: VerifierKey = match seal.verifier.parse() {
        Ok(key) => key,
        Err(_) => return Some("the key beside it is none".to_owned()),
    };
    if !question.trusted.is_empty() && !question.trusted.contains(&key.public) {
        return Some(format!("it is signed by {key}, which is not trusted"));
    }
    let keys = [key];
    match Checkpoint::open(&seal.note, &keys) {
        Err(fault) => Some(fault.to_string()),
        Ok((said, key)) => {
            let beside = Checkpoint { origin: key.name.clone(), size: seal.size.unsigned_abs(), root: seal.root };
            (said != beside).then(|| "it says something else than the columns beside it".to_owned())
        }
    }
}
