//! Full-text search: what users type as a query, and where it hit.

use orbit_platform::{
    http::{
        openapi::parsed,
        query::{self, Query},
    },
    problem::{ApiError, FieldProblem, kinds},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::conditions::Sql;

/// Marks the beginning of a hit in what [`cut`] cuts out. No text of a user holds control characters.
const BEGIN: char = '\u{2}';
/// Marks the end of a hit.
const END: char = '\u{3}';

/// What stands before and after the words of a query.
const QUERY: [&str; 2] = [
    "(SELECT CASE WHEN w.q::text LIKE '%''' THEN (w.q::text || ':*')::tsquery ELSE w.q END \
     FROM (SELECT websearch_to_tsquery('simple', ",
    ") AS q) w)",
];

/// The query for words, as on the web: all of them, "phrases", or, -not. The last one also matches as the beginning of a
/// word, so that results come while somebody types. Words that cannot be searched for match nothing.
///
/// The text of a query that ends in a word ends in a quote; one that ends otherwise is left as it is. `parameter` is the
/// place of the words, such as `$3`.
pub fn matching(parameter: &'static str) -> String {
    [QUERY[0], parameter, QUERY[1]].concat()
}

/// Adds such a query with its words.
pub fn push_matching(sql: &mut Sql, words: &str) {
    sql.push(QUERY[0]).push_bind(words.to_owned()).push(QUERY[1]);
}

/// The passages of a text that were hit, marked for [`fragments`].
pub fn cut(text: &'static str, query: &'static str, options: &'static str) -> String {
    format!("ts_headline('simple', {text}, {query}, E'StartSel=\"\\x02\", StopSel=\"\\x03\", {options}')")
}

/// `q`, which a search cannot do without.
pub fn required(parameters: &mut Query) -> Option<String> {
    // Asked for twice, because one knows that it must be there and the other how long it may be.
    parameters.required("q", query::any).and_then(|_| parameters.search())
}

/// 422: `q` is there, and empty.
pub fn nothing_to_search_for() -> ApiError {
    let fault = FieldProblem::new("?q", "empty", "must hold a word");
    ApiError::of(&kinds::VALIDATION_FAILED, "not right: q").with_field(fault)
}

/// A piece of a text that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Fragment, example = json!(parsed(r#"{"text": "milk", "hit": true}"#)))]
pub struct Fragment {
    /// The piece, as it stands in the text.
    pub text: String,
    /// Whether it is what was searched for.
    pub hit: bool,
}

/// A marked text as pieces: a client shows them without trusting anybody's markup.
pub fn fragments(marked: &str) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    for (at, part) in marked.split(BEGIN).enumerate() {
        let (hit, rest) = if at == 0 { ("", part) } else { part.split_once(END).unwrap_or(("", part)) };
        for (text, hit) in [(hit, true), (rest, false)] {
            if !text.is_empty() {
                fragments.push(Fragment { text: text.to_owned(), hit });
            }
        }
    }
    fragments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(marked: &str) -> String {
        let show = |f: &Fragment| if f.hit { format!("[{}]", f.text) } else { f.text.clone() };
        fragments(marked).iter().map(show).collect()
    }

    #[test]
    fn a_marked_text_falls_into_pieces_that_add_up_to_it() {
        assert_eq!(shown("Buy \u{2}milk\u{3} and \u{2}bread\u{3}"), "Buy [milk] and [bread]");
        assert_eq!(shown("\u{2}milk\u{3}"), "[milk]");
        assert_eq!(shown("nothing"), "nothing");
        assert_eq!(shown(""), "");
        assert_eq!(shown("\u{3}broken\u{2}"), "\u{3}broken");
    }
}
