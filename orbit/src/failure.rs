//! A failure as one line: what is wrong and what to do, then what lies behind it.

use std::io::{Write, stderr};

/// Prints `error: …`. Never a stack trace, never a `Debug`.
pub fn report(error: &anyhow::Error) {
    // With standard error closed there is nobody to tell; the exit code still does.
    let _ = writeln!(stderr(), "error: {}", sentence(error));
}

/// The error's own sentence, with its causes in parentheses as far as they add anything.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        // Many libraries repeat their source in their own words.
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap_or_default();
    let causes: Vec<String> = parts.collect();
    if causes.is_empty() { first } else { format!("{first} ({})", causes.join(": ")) }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::sentence;

    #[test]
    fn causes_follow_on_the_same_line_and_nothing_is_said_twice() {
        let error = anyhow!("connection refused\n").context("PostgreSQL does not answer: start it");
        assert_eq!(sentence(&error), "PostgreSQL does not answer: start it (connection refused)");
        let inner = std::io::Error::other("disk full");
        let repeating = Err::<(), _>(inner).context("cannot write: disk full").unwrap_err();
        assert_eq!(sentence(&repeating), "cannot write: disk full");
    }
}
