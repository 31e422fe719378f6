//! What a subject says without what answering and forwarding puts around it: the base subject of RFC 5256 section 2.1,
//! with the prefixes that mail programs write in other languages too.

/// What stands before the colon of an answer or of what is forwarded, in lower case.
const PREFIXES: &[&str] = &[
    "re",
    "fw",
    "fwd", // English, and the standard
    "aw",
    "antwort",
    "wg", // German
    "antw",
    "doorst", // Dutch
    "sv",
    "vs",
    "vl",
    "vb",
    "vá", // Nordic, Hungarian
    "tr",
    "rép", // French
    "rv",
    "enc",
    "res", // Spanish, Portuguese
    "r",
    "rif", // Italian
    "odp",
    "pd", // Polish
    "ynt",
    "ilt",
    "atb", // Turkish, Baltic
    "ответ",
    "на", // Russian
    "回复",
    "答复",
    "转发",
    "回覆",
    "轉寄", // Chinese
];

/// The base subject in lower case, and whether anything of an answer or of forwarding was taken off it.
pub fn base_subject(subject: &str) -> (String, bool) {
    let words: Vec<&str> =
        subject.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ").to_lowercase();
    let mut rest = line.as_str();
    let mut is_reply = false;
    loop {
        let (before, was_reply) = (rest, is_reply);
        while let Some(shorter) = rest.strip_suffix("(fwd)") {
            (rest, is_reply) = (shorter.trim_end(), true);
        }
        if let Some(shorter) = without_prefix(rest) {
            (rest, is_reply) = (shorter, true);
        }
        // A tag of a list goes only if it leaves something.
        if let Some(shorter) = without_blob(rest).filter(|shorter| !shorter.is_empty()) {
            rest = shorter;
        }
        if let Some(inner) = rest.strip_prefix("[fwd:").and_then(|rest| rest.strip_suffix(']')) {
            (rest, is_reply) = (inner.trim(), true);
        }
        if (rest, is_reply) == (before, was_reply) {
            return (rest.to_owned(), is_reply);
        }
    }
}

/// `re [2] : rest` and `[list] re: rest`, without what stands before the rest.
fn without_prefix(text: &str) -> Option<&str> {
    let mut start = text;
    while let Some(shorter) = without_blob(start) {
        start = shorter;
    }
    // The full-width colon is what Chinese keyboards write.
    let (prefix, rest) = start.split_once([':', '：'])?;
    let prefix = match prefix.find('[') {
        Some(blob) if prefix.trim_end().ends_with(']') => &prefix[..blob],
        Some(_) | None => prefix,
    };
    PREFIXES.contains(&prefix.trim()).then(|| rest.trim_start())
}

/// `[list] rest`, without the brackets and what is in them.
fn without_blob(text: &str) -> Option<&str> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    // `[fwd: …]` is no tag of a list.
    (!inside.contains('[') && !inside.starts_with("fwd:")).then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_answering_and_forwarding_puts_around_a_subject_is_taken_off() {
        for (subject, base, is_reply) in [
            ("Lunch", "lunch", false),
            ("Re: Lunch", "lunch", true),
            ("RE:  lunch \t today", "lunch today", true),
            ("AW: WG: Mittagessen", "mittagessen", true),
            ("Sv: Re: Fwd: Lunch", "lunch", true),
            ("Re[2]: Lunch", "lunch", true),
            ("Re [2] : Lunch", "lunch", true),
            ("[list] Re: [list] Lunch", "lunch", true),
            ("[list] Lunch", "lunch", false),
            ("[list]", "[list]", false),
            ("Lunch (fwd) (fwd)", "lunch", true),
            ("[Fwd: Re: Lunch]", "lunch", true),
            ("回复：午餐", "午餐", true),
            ("Report: Lunch", "report: lunch", false),
            ("Re:", "", true),
            ("Re: Re:", "", true),
            ("", "", false),
            ("Regarding: x", "regarding: x", false),
            ("[a][b] x", "x", false),
        ] {
            assert_eq!(base_subject(subject), (base.to_owned(), is_reply), "{subject:?}");
        }
    }

    proptest! {
        #[test]
        fn any_subject_has_a_base_that_is_its_own_base(subject in any::<String>(), around in "(re: |\\[x\\] |fwd:|\\(fwd\\)|\\[fwd: ?|\\]){0,6}") {
            let (base, _) = base_subject(&format!("{around}{subject}"));
            // Lower case once more may differ (ẞ, İ); what was taken off may not come again.
            prop_assert_eq!(base_subject(&base).0, base.to_lowercase());
        }
    }
}
