//! In which language a text is written.

use whichlang::Lang;

/// Fewer letters do not tell.
const LETTERS: usize = 40;
/// More characters tell nothing new.
const LOOKED_AT: usize = 400;

/// The language of a text (ISO 639-1), if there is enough of it. What is quoted is another's, and addresses are in none.
pub(super) fn language(text: &str) -> Option<&'static str> {
    let mut sample = String::new();
    let (mut letters, mut left) = (0, LOOKED_AT);
    for line in text.lines().filter(|line| !line.starts_with('>')) {
        for word in line.split_whitespace().filter(|word| !word.contains("://") && !word.contains('@')) {
            let length = word.chars().count();
            if length > left {
                left = 0;
                break;
            }
            left -= length;
            letters += word.chars().filter(|character| character.is_alphabetic()).count();
            sample.push_str(word);
            sample.push(' ');
        }
        if left == 0 {
            break;
        }
    }
    (letters >= LETTERS).then(|| code(whichlang::detect_language(&sample)))
}

fn code(language: Lang) -> &'static str {
    match language {
        Lang::Ara => "ar",
        Lang::Cmn => "zh",
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Fra => "fr",
        Lang::Hin => "hi",
        Lang::Ita => "it",
        Lang::Jpn => "ja",
        Lang::Kor => "ko",
        Lang::Nld => "nl",
        Lang::Por => "pt",
        Lang::Rus => "ru",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Vie => "vi",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_in_its_language_if_there_is_enough_of_it() {
        for (text, expected) in [
            ("Could you send me the minutes of yesterday's meeting before lunch?", Some("en")),
            ("Könntest du mir bitte noch vor dem Mittagessen das Protokoll von gestern schicken?", Some("de")),
            ("Pourrais-tu m'envoyer le compte rendu de la réunion d'hier avant midi ?", Some("fr")),
            ("Не могли бы вы прислать мне протокол вчерашнего совещания до обеда?", Some("ru")),
            (
                "Danke, ich schaue mir das morgen in Ruhe an und melde mich.\n> Thank you very much for all of your help\n> \
              with the thing that we were talking about",
                Some("de"),
            ),
            ("OK", None),
            ("https://example.org/a/very/long/address/that/is/in/no/language/at/all/whatever/one/thinks", None),
            ("", None),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
        assert_eq!(language(&"word ".repeat(100_000)), language(&"word ".repeat(1_000)));
    }
}
