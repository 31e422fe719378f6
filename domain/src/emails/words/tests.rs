//! What words are looked up by, as examples and as laws.

use proptest::prelude::*;

use super::*;
use crate::emails::query::{self, Field, Terms};

/// The tag of everybody in these tests.
const TAG: &str = "zzz";

fn user() -> Uuid {
    Uuid::from_u128(TAGS - 1)
}

fn mail<'a>(subject: &'a str, text: &'a str, language: Option<&'a str>) -> Analysis<'a> {
    Analysis { subject, names: &[], from: vec![], to: vec![], text, language, has_attachment: false }
}

fn lexemes(analysis: &Analysis<'_>) -> String {
    shown(&words(user(), analysis, &mut Stems::new()).vector).replace(TAG, "")
}

/// A vector as `PostgreSQL` shows it.
fn shown(mut vector: &[u8]) -> String {
    let mut take = |count: usize| {
        let (taken, rest) = vector.split_at(count);
        vector = rest;
        taken.to_vec()
    };
    let count = u32::from_be_bytes(take(4).try_into().unwrap());
    let mut lexemes = Vec::new();
    for _ in 0..count {
        let lexeme: Vec<u8> = std::iter::from_fn(|| Some(take(1)[0]).filter(|byte| *byte != 0)).collect();
        let lexeme = String::from_utf8(lexeme).unwrap().replace('\'', "''");
        let mut two = || u16::from_be_bytes(take(2).try_into().unwrap());
        let places: Vec<String> = (0..two())
            .map(|_| {
                let place = two();
                format!("{}{}", place & 0x3fff, ["", "C", "B", "A"][usize::from(place >> 14)])
            })
            .collect();
        let places = places.join(",");
        lexemes.push(format!("'{lexeme}'{}{places}", if places.is_empty() { "" } else { ":" }));
    }
    assert!(vector.is_empty(), "{} bytes are left", vector.len());
    lexemes.join(" ")
}

/// Whether a phrase is in what is kept of a text.
fn stands(text: &str, phrase: &str) -> bool {
    let sequence = words(user(), &mail("Subject here", text, Some("en")), &mut Stems::new()).sequence;
    let phrases = phrases(&terms(phrase));
    assert_eq!(phrases.len(), 1, "{phrase}");
    sequence.windows(phrases[0].codes.len()).any(|window| window == phrases[0].codes)
}

#[test]
fn a_phrase_is_found_as_it_is_written_with_words_that_say_nothing() {
    let text = "We met at the Meeting Point, to be or not to be with e-mails.";
    for there in ["\"the meeting point\"", "\"to be or not\"", "\"not to BE\"", "\"with e-mails\"", "\"subject here\""]
    {
        assert!(stands(text, there), "{there}");
    }
    for not in ["\"the meetings point\"", "\"point the meeting\"", "\"here we\"", "\"be with mails\""] {
        assert!(!stands(text, not), "{not}");
    }
}

#[test]
fn only_phrases_that_have_to_be_there_are_looked_for_as_they_are_written() {
    for none in ["two words", "\"one\"", "-\"two words\"", "\"two words\" OR three", "from:\"ada lovelace\""] {
        assert_eq!(phrases(&terms(none)), vec![], "{none}");
    }
    let both = phrases(&terms("subject:\"two words\" \"and three words\""));
    assert_eq!(
        both.iter().map(|phrase| (phrase.codes.len(), phrase.pairs.len())).collect::<Vec<_>>(),
        [(4, 3), (6, 6)]
    );
}

fn terms(text: &str) -> Terms {
    query::parse(text).unwrap().terms
}

fn asked(text: &str, languages: &[&str]) -> Option<String> {
    let languages: Vec<String> = languages.iter().map(|language| (*language).to_owned()).collect();
    tsquery(user(), &terms(text), &languages).map(|query| query.replace(TAG, ""))
}

fn marked(text: &str, question: &str, language: Option<&str>, cut: Cut) -> String {
    let pieces = mark(text, &terms(question), language, cut, &mut Stems::new());
    pieces.into_iter().map(|(piece, is_hit)| if is_hit { format!("[{piece}]") } else { piece }).collect()
}

#[test]
fn a_tag_is_three_digits_of_the_ids_end() {
    assert_eq!(tag(Uuid::nil()), *b"000");
    assert_eq!(tag(user()), *TAG.as_bytes());
    assert_eq!(tag(Uuid::from_u128(61)), *b"00z");
    assert_eq!(tag(Uuid::from_u128(62)), *b"010");
    assert_eq!(tag(Uuid::from_u128(TAGS + 7)), tag(Uuid::from_u128(7)));
}

#[test]
fn words_are_told_by_stem_place_and_weight() {
    let told = lexemes(&mail("Meetings", "We are meeting the meeters.", Some("en")));
    assert_eq!(told, "'smeet':1A 'wmeet':1A,5 'wmeeter':7");
}

#[test]
fn without_a_language_words_are_as_they_are() {
    assert_eq!(lexemes(&mail("", "The Meetings", None)), "'wmeetings':3 'wthe':2");
    assert_eq!(lexemes(&mail("", "The Meetings", Some("xx"))), "'wmeetings':3 'wthe':2");
}

#[test]
fn a_word_made_of_several_stands_for_itself_and_for_each() {
    let told = lexemes(&mail("", "e-mails to ada@mail.example.org, it's 3.14", Some("en")));
    let expected = "'w14':6 'w3.14':6 'wada':4 'wada@mail.example.org':4 'we-mail':2 'wexampl':4 'wit':5 'wmail':2,4 \
                    'worg':4";
    assert_eq!(told, expected);
}

#[test]
fn people_are_told_whole_and_in_parts() {
    let names = ["Ada Lovelace"];
    let analysis = Analysis {
        names: &names,
        from: vec!["c.babbage@example.org", "Charles"],
        to: vec!["ada@example.org", "Ada Lovelace"],
        has_attachment: true,
        ..mail("", "", None)
    };
    let told = lexemes(&analysis);
    for lexeme in [
        "'fbabbage'",
        "'fc.babbage'",
        "'fc.babbage@example.org'",
        "'fcharles'",
        "'fexample'",
        "'fexample.org'",
        "'forg'",
        "'tada'",
        "'tada@example.org'",
        "'tlovelace'",
        "'xattachment'",
        "'wada':2B",
        "'wlovelace':3B",
        "'wbabbage':5B",
    ] {
        assert!(told.split(' ').any(|known| known == lexeme), "{lexeme} is not in {told}");
    }
}

#[test]
fn quotes_are_doubled() {
    assert_eq!(lexemes(&mail("", "o'neil", None)), "'wneil':2 'wo''neil':2");
    assert_eq!(asked("o’neil", &[]).unwrap(), "'wo''neil':*");
}

#[test]
fn where_no_spaces_are_written_each_character_is_a_word() {
    assert_eq!(lexemes(&mail("", "会议 at 10", None)), "'w10':5 'wat':4 'w会':2 'w议':3");
    assert_eq!(asked("会议", &[]).unwrap(), "('w会' <-> 'w议')");
}

#[test]
fn a_long_mail_is_read_up_to_its_limits() {
    let text = "word ".repeat(20_000);
    let told = lexemes(&mail("", &text, Some("en")));
    assert_eq!(told.split(',').count(), 255);
    let many: String = (0..20_000).flat_map(|n| [format!("w{n}"), " ".to_owned()]).collect();
    let told = lexemes(&mail("", &many, None));
    assert_eq!(told.split(' ').count(), TOKENS);
    assert!(told.contains("'ww15999':16001") && !told.contains("w16000"), "{}", &told[told.len() - 99..]);
    let long = lexemes(&mail("", &"ä".repeat(99), None));
    assert_eq!(long, format!("'w{}':2", "ä".repeat(32)));
}

#[test]
fn stems_are_remembered_and_forgotten_without_a_difference() {
    let many: String = (0..15_000).flat_map(|n| [format!("w{n}"), " ".to_owned()]).collect();
    let mut stems = Stems::new();
    for round in 0..5 {
        let text = many.replace('w', ["a", "b", "c", "d", "e"][round]);
        words(user(), &mail("", &text, None), &mut stems);
    }
    let analysis = mail("Meetings", "on meeting", Some("en"));
    assert_eq!(words(user(), &analysis, &mut stems), words(user(), &analysis, &mut Stems::new()));
}

#[test]
fn a_word_is_asked_for_as_it_is_and_by_its_stems() {
    assert_eq!(asked("meetings at", &["en", "de", "xx"]).unwrap(), "('wmeetings' | 'wmeet' | 'wmeeting')");
    assert_eq!(asked("lunch", &["en"]).unwrap(), "'wlunch':*");
    assert_eq!(asked("subject:meetings", &["en"]).unwrap(), "('smeetings' | 'smeet')");
}

#[test]
fn a_phrase_counts_the_places_of_words_that_say_nothing() {
    assert_eq!(asked("\"lunch with the team\"", &["en"]).unwrap(), "('wlunch' <3> 'wteam')");
    assert_eq!(asked("\"lunch today\"", &[]).unwrap(), "('wlunch' <-> 'wtoday')");
}

#[test]
fn what_may_have_a_phrase_has_its_words_in_any_order() {
    let candidates = |text| candidates(user(), &terms(text), &["en".to_owned()]).unwrap().replace(TAG, "");
    assert_eq!(candidates("\"lunch with the team\" -\"next week\""), "('wlunch' & 'wteam')");
    assert_eq!(candidates("lunch from:ada -team"), "'wlunch':* & 'fada'");
}

#[test]
fn words_that_say_nothing_are_asked_for_only_among_themselves() {
    assert_eq!(asked("the lunch", &["en"]).unwrap(), "'wlunch':*");
    assert_eq!(asked("the who", &["en"]).unwrap(), "'wthe' & 'wwho':*");
    assert_eq!(asked("the", &[]).unwrap(), "'wthe':*");
}

#[test]
fn people_are_asked_for_whole_and_in_any_order() {
    assert_eq!(asked("from:Ada@Example.org", &["en"]).unwrap(), "'fada@example.org'");
    assert_eq!(asked("to:\"Ada Lovelace\"", &["en"]).unwrap(), "('tada' & 'tlovelace')");
    assert_eq!(asked("a@b.org", &[]).unwrap(), "('wa@b.org':* | 'fa@b.org' | 'ta@b.org')");
}

#[test]
fn alternatives_and_what_is_taken_away_are_put_together() {
    assert_eq!(
        asked("a OR b c -d -\"e f\" has:attachment", &[]).unwrap(),
        "('wa' | 'wb') & 'wc' & 'xattachment' & !'wd' & !('we' <-> 'wf')"
    );
    assert_eq!(asked("-d", &[]), None);
    assert_eq!(asked("&", &[]), None, "there is no word in it");
    let taken_away = excluded(user(), &terms("-d -\"e f\""), &[]).unwrap().replace(TAG, "");
    assert_eq!(taken_away, "('wd' | ('we' <-> 'wf'))");
    assert_eq!(excluded(user(), &terms("a"), &[]), None);
}

#[test]
fn what_was_asked_for_is_marked() {
    let cut = Cut { field: Field::Any, chars: 60, fragments: 2 };
    let text = "We are meeting\n at noon; the  meetings will be short.";
    assert_eq!(marked(text, "meet", Some("en"), cut), "We are [meeting] at noon; the [meetings] will be short.");
    assert_eq!(marked(text, "mee", None, cut), "We are [meeting] at noon; the [meetings] will be short.");
    assert_eq!(marked(text, "\"at noon\"", Some("en"), cut), "We are meeting [at] [noon]; the meetings will be short.");
    assert_eq!(marked(text, "\"noon at\"", Some("en"), cut), "");
    assert_eq!(marked(text, "the", Some("en"), cut), "", "it says nothing in this language");
    assert_eq!(marked(text, "the", None, cut), "We are meeting at noon; [the] meetings will be short.");
    assert_eq!(marked(text, "dinner from:ada -noon", Some("en"), cut), "");
    assert_eq!(marked("", "lunch", None, cut), "");
}

#[test]
fn a_subject_also_has_what_was_asked_of_subjects() {
    assert_eq!(marked("Lunch today", "subject:lunch", None, Cut::SUBJECT), "[Lunch] today");
    assert_eq!(marked("Lunch today", "subject:lunch", None, Cut::TEXT), "");
}

#[test]
fn of_a_long_text_there_are_fragments_around_what_was_asked_for() {
    let filler = "lorem ipsum ".repeat(20);
    let text = format!("{filler}first needle {filler}{filler}second needle {filler}third needle {filler}");
    let cut = Cut { field: Field::Any, chars: 40, fragments: 2 };
    let told = marked(&text, "needle", None, cut);
    assert_eq!(told, "…first [needle] lorem ipsum lorem ipsum … second [needle] lorem ipsum lorem ipsum…");
    for piece in told.split(" … ") {
        assert!(piece.chars().count() <= 40 + 4, "{piece}");
    }
}

#[test]
fn an_address_is_marked_by_a_part_of_it() {
    assert_eq!(marked("Write to ada@example.org.", "example", None, Cut::TEXT), "Write to [ada@example.org].");
}

/// Quotes are doubled, so their number is even; and between two lexemes there is a space.
fn assert_is_well_formed(text: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(text.matches('\'').count() % 2, 0, "{}", text);
    prop_assert!(!text.contains('\\') && !text.contains('\0'), "{}", text);
    Ok(())
}

proptest! {
    #[test]
    fn any_mail_has_words_and_any_question_is_asked(
        [subject, text, name] in any::<[String; 3]>(),
        mixed in "([a-zäé']{1,9}[ .@'-]?){0,40}",
        language in prop::sample::select(STEMMED.to_vec()),
        question in "(-|from:|\")?[a-z']{1,5}( OR | )(\")?[äé会a-z@.]{0,9}(\")?",
    ) {
        let text = format!("{text} {mixed}");
        let names = [name.as_str()];
        let analysis = Analysis {
            names: &names, from: vec![&name], to: vec![&subject], ..mail(&subject, &text, Some(language))
        };
        let told = shown(&words(user(), &analysis, &mut Stems::new()).vector);
        assert_is_well_formed(&told)?;
        let lexemes: Vec<&str> = told.split("' ").collect();
        prop_assert!(lexemes.len() <= 4 * TOKENS);
        if let Ok(search) = query::parse(&question) {
            let languages = [language.to_owned()];
            for query in tsquery(user(), &search.terms, &languages).into_iter().chain(excluded(user(), &search.terms, &languages)) {
                assert_is_well_formed(&query)?;
                prop_assert_eq!(query.matches('(').count(), query.matches(')').count());
            }
        }
    }

    #[test]
    fn what_is_marked_is_in_the_text(
        text in "([a-zäé会]{1,9}[ \n.,@'-]{1,2}){0,60}",
        question in "[a-zäé会]{1,3}( [a-z]{1,2})?",
        chars in 0..80_usize,
        fragments in 0..4_usize,
    ) {
        let (terms, mut stems) = (terms(&question), Stems::new());
        let mut mark = |fragments| mark(&text, &terms, Some("en"), Cut { field: Field::Any, chars, fragments }, &mut stems);
        let pieces = mark(fragments);
        for (piece, is_hit) in &pieces {
            prop_assert!(!piece.is_empty());
            if *is_hit {
                prop_assert!(text.contains(piece.trim()), "{piece}");
            }
        }
        for two in pieces.windows(2) {
            prop_assert!(two[0].1 != two[1].1, "{pieces:?}");
        }
        // Who looks further finds the same, and then more.
        let told = |pieces: &[(String, bool)]| pieces.iter().map(|(piece, _)| &**piece).collect::<String>();
        let (less, more) = (told(&pieces), told(&mark(fragments + 3)));
        prop_assert!(more.starts_with(less.trim_end_matches('…').trim_end()), "{less} {more}");
    }

    #[test]
    fn any_word_has_a_stem_in_every_language(word in any::<String>(), letters in "[a-zäöüßéèêëçñãõåøæąğışőűîâțș'а-яё-]{0,30}") {
        for (language, _) in STEMMED.iter().enumerate() {
            for word in [&word, &letters] {
                let _ = stems::stem(language, &tokens::folded(word));
            }
        }
    }

    #[test]
    fn words_are_cut_from_the_text_in_order(text in any::<String>()) {
        let mut end = 0;
        for token in tokens(&text) {
            prop_assert!(token.start >= end && !token.text.is_empty());
            prop_assert_eq!(&text[token.start..token.end()], token.text);
            end = token.end();
        }
    }
}
