//! What can be asked, and what it means.

use proptest::prelude::*;

use super::*;

fn word(word: &str) -> Term {
    Term { field: Field::Any, words: vec![word.to_owned()], phrase: false, prefix: false }
}

/// The last bare word, which may be the beginning of one.
fn beginning(text: &str) -> Term {
    Term { prefix: true, ..word(text) }
}

fn phrase(words: &[&str]) -> Term {
    Term { words: words.iter().map(|word| (*word).to_owned()).collect(), phrase: true, ..word("") }
}

fn at(field: Field, text: &str) -> Term {
    Term { field, ..word(text) }
}

fn terms(text: &str) -> Terms {
    parse(text).unwrap().terms
}

fn all(terms: impl IntoIterator<Item = Term>) -> Terms {
    Terms { all: terms.into_iter().map(|term| vec![term]).collect(), none: vec![] }
}

fn day(text: &str) -> When {
    text.parse().unwrap()
}

fn details(text: &str) -> Vec<String> {
    let refused = parse(text).unwrap_err();
    assert!(refused.iter().all(|invalid| invalid.code == "invalid_search"), "{refused:?}");
    refused.into_iter().map(|invalid| invalid.detail).collect()
}

#[test]
fn each_word_has_to_be_there_and_the_last_may_be_a_beginning() {
    assert_eq!(terms(" lunch  today "), all([word("lunch"), beginning("today")]));
    assert_eq!(terms("lunch at"), all([word("lunch"), word("at")]), "two letters begin too much");
    assert_eq!(terms(""), Terms::default());
}

#[test]
fn quotes_make_a_phrase_whichever_they_are() {
    assert_eq!(terms("\"next week\""), all([phrase(&["next", "week"])]));
    assert_eq!(terms("„next week“ lunch"), all([phrase(&["next", "week"]), beginning("lunch")]));
    assert_eq!(terms("lunch \"next week"), all([beginning("lunch"), phrase(&["next", "week"])]));
    assert_eq!(terms("\"\" \" \""), Terms::default());
    assert_eq!(terms("a\"b c\""), all([word("a"), phrase(&["b", "c"])]));
}

#[test]
fn a_minus_takes_away() {
    let expected = Terms {
        all: vec![vec![beginning("lunch")]],
        none: vec![
            word("today"),
            phrase(&["next", "week"]),
            at(Field::From, "ada"),
            Term { words: vec![], ..at(Field::HasAttachment, "") },
        ],
    };
    assert_eq!(terms("lunch -today -\"next week\" -from:ada -has:attachment"), expected);
    assert_eq!(terms("a - b"), all([word("a"), word("-"), word("b")]), "a dash is a dash");
}

#[test]
fn operators_look_into_fields() {
    let from = Term { phrase: true, ..at(Field::From, "Ada") };
    let from = Term { words: vec!["Ada".into(), "Lovelace".into()], ..from };
    assert_eq!(terms("from:\"Ada Lovelace\""), all([from]));
    let expected = all([at(Field::To, "b@example.org"), at(Field::Subject, "Lunch")]);
    assert_eq!(terms("to:b@example.org Subject:Lunch"), expected);
}

#[test]
fn a_word_with_a_colon_that_is_no_operator_is_a_word() {
    assert_eq!(
        terms("re: 12:30 https://example.org"),
        all([word("re:"), word("12:30"), beginning("https://example.org")])
    );
}

#[test]
fn what_is_not_about_words_is_told_apart() {
    let search =
        parse("is:unread is:starred -is:snoozed after:2026-01-31 before:2026-02-28 label:Work label:\"to do\"");
    assert_eq!(
        search.unwrap(),
        Search {
            terms: Terms::default(),
            in_: None,
            after: Some(day("2026-01-31")),
            before: Some(day("2026-02-28")),
            read: Some(false),
            starred: Some(true),
            snoozed: Some(false),
            label: vec!["Work".into(), "to do".into()],
        }
    );
}

#[test]
fn a_place_is_a_role_or_anywhere_or_the_name_of_a_folder() {
    for (text, expected) in [
        ("in:Inbox", In::Role(Role::Inbox)),
        ("in:trash", In::Role(Role::Trash)),
        ("in:anywhere", In::Anywhere),
        ("in:Bills", In::Named("Bills".into())),
        ("in:\"To do/2026\"", In::Named("To do/2026".into())),
        ("in:\"inbox\"", In::Named("inbox".into())),
        ("in:other", In::Named("other".into())),
    ] {
        assert_eq!(parse(text).unwrap().in_, Some(expected), "{text}");
    }
}

#[test]
fn or_makes_alternatives_of_what_is_around_it() {
    let expected = Terms { all: vec![vec![word("a"), word("b"), at(Field::From, "c")], vec![word("d")]], none: vec![] };
    assert_eq!(terms("a OR b OR from:c d"), expected);
    assert_eq!(terms("a or b"), all([word("a"), word("or"), word("b")]));
    assert_eq!(terms("OR lunch OR OR dinner OR").all, [[word("lunch"), beginning("dinner")]]);
    for text in ["a OR -b", "-a OR b", "a OR is:read", "in:inbox OR b"] {
        assert_eq!(details(text), ["OR stands between words, phrases, from:, to:, subject: and has:"], "{text}");
    }
}

#[test]
fn what_an_operator_does_not_know_is_refused_by_name() {
    for (text, detail) in [
        ("has:photo", "has: must be attachment"),
        ("is:old", "is: must be read, unread, starred or snoozed"),
        ("before:2026-2-1", "before: must be a date like 2026-12-31"),
        ("after:2026-02-30", "after: must be a date like 2026-12-31"),
        ("after:tomorrow", "after: must be a date like 2026-12-31"),
        ("from:", "from: needs a value"),
        ("label:\" \"", "label: needs a value"),
        ("from:\"\" lunch", "from: needs a value"),
        ("-in:trash", "in: cannot be taken away with -"),
        ("-label:x", "label: cannot be taken away with -"),
        ("in:inbox in:sent", "in: says two things"),
        ("is:read is:unread", "is: says two things"),
        ("a\0b", "must not contain control characters"),
    ] {
        assert_eq!(details(text), [detail], "{text}");
    }
    assert_eq!(details("has:x is:x").len(), 2, "all that is wrong is told");
    assert!(parse("is:read -is:unread").is_ok(), "twice the same is no contradiction");
}

#[test]
fn a_question_is_not_too_long() {
    assert!(parse(&"ä".repeat(500)).is_ok());
    assert_eq!(details(&"ä".repeat(501)), ["must have at most 500 characters, has 501"]);
    assert!(parse(&"a ".repeat(32)).is_ok());
    assert_eq!(details(&"a ".repeat(33)), ["must have at most 32 terms, has 33"]);
    assert!(parse(&"a OR ".repeat(32)).is_ok());
}

proptest! {
    #[test]
    fn any_question_is_read_or_refused_with_a_reason(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn anything_made_of_the_language_is_read_or_refused_with_a_reason(
        text in "((-|from:|in:|is:|has:|before:|label:|subject:)?(\"|“)?([a-zä]{1,4}|OR|read|2026-01-31|anywhere|:)?(\"|”)? ?){0,20}",
    ) {
        check(&text)?;
    }
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(search) => {
            prop_assert!(search.terms.all.iter().all(|alternatives| !alternatives.is_empty()));
            let bare = search.terms.all.iter().flatten().filter(|term| term.prefix).count();
            prop_assert!(bare <= 1);
        }
        Err(refused) => prop_assert!(!refused.is_empty() && refused.iter().all(|it| it.code == "invalid_search")),
    }
    Ok(())
}
