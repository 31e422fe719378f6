//! Words that say nothing, by language: so common that an e-mail is never looked for by them. They are not in the index;
//! a phrase counts their places all the same.

/// Those of a language (ISO 639-1); none, where nobody has written them down.
pub(super) fn of(language: &str) -> &'static [&'static str] {
    match language {
        "de" => GERMAN,
        "en" => ENGLISH,
        "es" => SPANISH,
        "fr" => FRENCH,
        "it" => ITALIAN,
        "nl" => DUTCH,
        "pt" => PORTUGUESE,
        "sv" => SWEDISH,
        _ => &[],
    }
}

const ENGLISH: &[&str] = &[
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been", "but",
    "by", "can", "could", "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "here", "him", "his",
    "how", "i", "if", "in", "into", "is", "it", "its", "just", "me", "more", "my", "no", "not", "of", "on", "or",
    "our", "out", "she", "so", "some", "than", "that", "the", "their", "them", "then", "there", "these", "they",
    "this", "to", "up", "us", "was", "we", "were", "what", "when", "which", "who", "will", "with", "would", "you",
    "your",
];

const GERMAN: &[&str] = &[
    "aber", "als", "am", "an", "auch", "auf", "aus", "bei", "bin", "bis", "bitte", "da", "dann", "das", "dass", "dein",
    "dem", "den", "der", "des", "dich", "die", "dir", "doch", "du", "durch", "ein", "eine", "einem", "einen", "einer",
    "eines", "er", "es", "euch", "für", "haben", "hat", "hatte", "ich", "ihm", "ihn", "ihnen", "ihr", "ihre", "im",
    "in", "ist", "ja", "kann", "kein", "keine", "können", "man", "mein", "meine", "mich", "mir", "mit", "nach",
    "nicht", "noch", "nur", "ob", "oder", "schon", "sehr", "sein", "seine", "sich", "sie", "sind", "so", "um", "und",
    "uns", "unser", "unter", "vom", "von", "vor", "war", "waren", "was", "wenn", "wer", "wie", "wir", "wird", "wurde",
    "zu", "zum", "zur", "über",
];

const FRENCH: &[&str] = &[
    "ai", "au", "aussi", "aux", "avec", "c'est", "ce", "ces", "cet", "cette", "dans", "de", "des", "du", "elle", "en",
    "est", "et", "eu", "il", "ils", "j'ai", "je", "la", "le", "les", "leur", "leurs", "lui", "ma", "mais", "me", "mes",
    "moi", "mon", "ne", "nos", "notre", "nous", "on", "ont", "ou", "où", "par", "pas", "plus", "pour", "qu", "que",
    "qui", "s'il", "sa", "sans", "se", "ses", "si", "son", "sont", "sur", "ta", "te", "tes", "toi", "ton", "tu", "un",
    "une", "vos", "votre", "vous", "à", "été", "être",
];

const SPANISH: &[&str] = &[
    "a", "al", "ante", "como", "con", "cuando", "de", "del", "desde", "donde", "el", "ella", "ellos", "en", "entre",
    "era", "es", "esa", "ese", "eso", "esta", "estaba", "este", "esto", "está", "están", "fue", "ha", "han", "hasta",
    "hay", "la", "las", "le", "les", "lo", "los", "me", "mi", "mis", "muy", "más", "ni", "no", "nos", "o", "para",
    "pero", "por", "porque", "que", "qué", "se", "ser", "si", "sin", "sobre", "son", "su", "sus", "sí", "también",
    "te", "tiene", "tu", "tus", "un", "una", "uno", "y", "ya", "yo",
];

const ITALIAN: &[&str] = &[
    "a", "ad", "ai", "al", "alla", "alle", "anche", "che", "chi", "ci", "come", "con", "cui", "da", "dal", "dalla",
    "dei", "del", "della", "delle", "di", "e", "ed", "era", "gli", "ha", "hai", "hanno", "ho", "i", "il", "in", "io",
    "la", "le", "lei", "li", "lo", "loro", "lui", "ma", "mi", "mia", "mio", "ne", "nel", "nella", "no", "noi", "non",
    "o", "per", "perché", "più", "quando", "quello", "questa", "questo", "se", "sei", "si", "sia", "sono", "su", "sul",
    "sulla", "suo", "sua", "ti", "tra", "tu", "tuo", "un", "una", "uno", "vi", "è",
];

const DUTCH: &[&str] = &[
    "aan", "al", "als", "ben", "bij", "dan", "dat", "de", "deze", "die", "dit", "doen", "door", "dus", "een", "en",
    "er", "geen", "had", "heb", "hebben", "heeft", "hem", "het", "hij", "hun", "ik", "in", "is", "ja", "je", "jij",
    "kan", "kunnen", "maar", "me", "mee", "meer", "men", "met", "mij", "mijn", "na", "naar", "niet", "nog", "nu", "of",
    "om", "onder", "ons", "onze", "ook", "op", "over", "te", "tegen", "toch", "toen", "tot", "u", "uit", "uw", "van",
    "voor", "waar", "was", "wat", "we", "wel", "werd", "wie", "wij", "wil", "worden", "wordt", "ze", "zich", "zij",
    "zijn", "zo", "zou",
];

const PORTUGUESE: &[&str] = &[
    "a", "ao", "aos", "as", "com", "como", "da", "das", "de", "dele", "do", "dos", "e", "ela", "elas", "ele", "eles",
    "em", "entre", "era", "essa", "esse", "esta", "este", "está", "eu", "foi", "há", "isso", "isto", "já", "lhe",
    "mais", "mas", "me", "mesmo", "meu", "minha", "muito", "na", "nas", "no", "nos", "nossa", "nosso", "não", "nós",
    "o", "os", "ou", "para", "pela", "pelo", "por", "quando", "que", "quem", "se", "sem", "ser", "seu", "seus", "sua",
    "suas", "são", "só", "também", "te", "tem", "têm", "um", "uma", "você", "à", "às", "é",
];

const SWEDISH: &[&str] = &[
    "alla", "att", "av", "blev", "bli", "de", "dem", "den", "denna", "deras", "dess", "det", "detta", "dig", "din",
    "ditt", "du", "där", "då", "efter", "ej", "eller", "en", "er", "ett", "från", "för", "ha", "hade", "han", "har",
    "henne", "hon", "honom", "hur", "här", "i", "icke", "in", "inte", "jag", "kan", "kom", "kunde", "man", "med",
    "mellan", "men", "mig", "min", "mitt", "mot", "mycket", "ni", "nu", "när", "någon", "något", "och", "om", "oss",
    "på", "sedan", "sig", "sin", "sina", "ska", "skulle", "som", "så", "till", "under", "upp", "ut", "utan", "vad",
    "var", "vara", "varit", "vi", "vid", "vill", "är", "över",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_short_and_in_lower_case() {
        for language in ["de", "en", "es", "fr", "it", "nl", "pt", "sv"] {
            let words = of(language);
            assert!((60..=120).contains(&words.len()), "{language} has {}", words.len());
            for (index, word) in words.iter().enumerate() {
                assert_eq!(*word, word.to_lowercase());
                assert!(!words[..index].contains(word), "{language} has {word} twice");
            }
        }
        assert!(of("xx").is_empty());
    }
}
