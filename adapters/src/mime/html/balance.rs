//! HTML in an order in which a browser's parser has nothing to repair.
//!
//! The standard's parser opens again, in every block that follows, each formatting element that was not closed, compares
//! every attribute of a tag with all others, looks for its place through all elements that are open, and goes back over
//! what it has read at each entity without an end; its writer looks through all of a text at each character that it must
//! write as an entity. With two megabytes of hostile HTML they take gigabytes and hours. What goes through here has each
//! element closed in order and each entity ended, is nested no deeper than [`DEPTH`], is no more than [`TAGS`] and
//! [`BYTES`], has no text longer than [`RUN`] in one piece, and has only tags and attributes that may be shown. It makes
//! nothing safe: that is the sanitiser's work, which comes after it.

use std::{borrow::Cow, fmt::Write};

use super::{
    escaped,
    tokens::{Token, Tokens, attributes, unescaped},
};

/// How deep elements may be nested. Deeper ones are left out; what is in them is not.
const DEPTH: usize = 120;
/// Most tags that are read. What lies behind them is not shown: a reader has long ceased to scroll, and what is here takes
/// the sanitiser up to a tenth of a second.
const TAGS: usize = 60_000;
/// Most bytes of a page.
const BYTES: usize = 512 * 1024;
/// Most bytes of text in one piece: behind them an element begins and ends that is not seen.
const RUN: usize = 2 * 1024;
/// Most attributes of a tag.
const ATTRIBUTES: usize = 24;
/// Most bytes of an attribute, if it holds anything that must be written as an entity.
const VALUE: usize = 4 * 1024;

/// Elements without content.
const VOID: [&str; 5] = ["br", "col", "hr", "img", "wbr"];

/// Puts HTML in order, with only the tags and attributes that are asked for.
pub(super) fn balanced(html: &str, is_tag: impl Fn(&str) -> bool, is_attribute: impl Fn(&str, &str) -> bool) -> String {
    let mut out = String::with_capacity(html.len());
    let mut open: Vec<Cow<'_, str>> = Vec::new();
    let (mut unseen, mut tags, mut run) = (0_u32, 0, 0);
    for token in Tokens::new(html) {
        tags += usize::from(!matches!(token, Token::Text(_)));
        if tags > TAGS || out.len() >= BYTES {
            break;
        }
        let (written, is_placed) = (out.len(), token.is_placed());
        match token {
            // Titles and choices are no text of the message.
            Token::Open { name, .. } if is_unseen(&name) => unseen += 1,
            Token::Close { name } if is_unseen(&name) => unseen = unseen.saturating_sub(1),
            _ if unseen > 0 => {}
            Token::Text(text) => write_text(&mut out, text, &mut run),
            Token::Open { name, attributes: all } if is_tag(&name) => {
                let (ended, barriers) = ends(&name);
                end(&mut out, &mut open, ended, barriers);
                let is_void = VOID.contains(&&*name);
                if is_void || open.len() < DEPTH {
                    write_tag(&mut out, &name, all, &is_attribute);
                    if !is_void {
                        open.push(name);
                    }
                }
            }
            // A cell is not left by what was begun outside of it.
            Token::Close { name } => {
                let barriers: &[&str] = if TABLE.contains(&&*name) { &[] } else { &TABLE };
                end(&mut out, &mut open, &[&name], barriers);
            }
            Token::Open { .. } => {}
        }
        if is_placed && out.len() > written {
            run = 0;
        }
    }
    open.iter().rev().for_each(|name| close(&mut out, name));
    out
}

/// Elements of tables.
const TABLE: [&str; 8] = ["caption", "table", "tbody", "td", "tfoot", "th", "thead", "tr"];

impl Token<'_> {
    /// Whether it stays between the texts around it. Text between the cells of a table is put before the table, all in one.
    fn is_placed(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Open { name, .. } | Self::Close { name } => {
                !TABLE.contains(&&**name) && !matches!(&**name, "col" | "colgroup")
            }
        }
    }
}

/// Which elements end where this one begins, and which keep them open.
fn ends(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match name {
        "li" => (&["li"], &["ul", "ol", "table", "td", "th"]),
        "dt" | "dd" => (&["dt", "dd"], &["dl", "table", "td", "th"]),
        "td" | "th" => (&["td", "th"], &["tr", "table"]),
        "tr" => (&["tr"], &["tbody", "thead", "tfoot", "table"]),
        "tbody" | "thead" | "tfoot" => (&["tbody", "thead", "tfoot"], &["table"]),
        "p" | "div" | "table" | "ul" | "ol" | "dl" | "pre" | "blockquote" | "center" | "hr" | "h1" | "h2" | "h3"
        | "h4" | "h5" | "h6" => (&["p"], &["div", "table", "td", "th", "li", "blockquote", "center"]),
        "a" => (&["a"], &["table", "td", "th"]),
        _ => (&[], &[]),
    }
}

/// Closes the innermost of these elements, and what lies in it, unless something keeps it open.
fn end(out: &mut String, open: &mut Vec<Cow<'_, str>>, ended: &[&str], barriers: &[&str]) {
    let found = open.iter().rposition(|open| ended.contains(&&**open) || barriers.contains(&&**open));
    if let Some(at) = found.filter(|&at| ended.contains(&&*open[at])) {
        for name in open.drain(at..).rev() {
            close(out, &name);
        }
    }
}

fn is_unseen(name: &str) -> bool {
    matches!(name, "title" | "select")
}

/// Writes text in pieces; `run` is how much of it was written in one.
fn write_text(out: &mut String, text: &str, run: &mut usize) {
    let text = unescaped(&text[..text.floor_char_boundary(BYTES)]);
    let mut rest = &*text;
    while !rest.is_empty() && out.len() < BYTES {
        if *run >= RUN {
            out.push_str("<span></span>");
            *run = 0;
        }
        let (piece, behind) = rest.split_at(rest.ceil_char_boundary(RUN - *run));
        out.push_str(&escaped(piece));
        *run += piece.len();
        rest = behind;
    }
}

fn write_tag(out: &mut String, name: &str, all: &str, is_attribute: &impl Fn(&str, &str) -> bool) {
    out.push('<');
    out.push_str(name);
    let mut written: Vec<Cow<'_, str>> = Vec::new();
    for (attribute, value) in attributes(all).filter(|(attribute, _)| is_attribute(name, attribute)) {
        // The first one counts.
        if written.len() < ATTRIBUTES && !written.contains(&attribute) {
            let value = escaped(&unescaped(value));
            if value.len() > VALUE && value.bytes().any(|byte| byte == b'&' || !byte.is_ascii()) {
                continue;
            }
            write!(out, " {attribute}=\"{value}\"").expect("a String takes what is written");
            written.push(attribute);
        }
    }
    out.push('>');
}

fn close(out: &mut String, name: &str) {
    write!(out, "</{name}>").expect("a String takes what is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(html: &str) -> String {
        balanced(
            html,
            |tag| matches!(tag, "b" | "p" | "img" | "i"),
            |_, attribute| matches!(attribute, "src" | "title"),
        )
    }

    #[test]
    fn elements_are_closed_in_order_and_only_those_that_are_asked_for_are_left() {
        for (html, expected) in [
            ("<b><p>x</b>y", "<b><p>x</p></b>y"),
            ("<p>one<p><i>two<p>three", "<p>one</p><p><i>two</i></p><p>three</p>"),
            ("</b>x<u>y</u>", "xy"),
            ("<img src='a\"b' onerror=x src=2 TITLE=t>", "<img src=\"a&quot;b\" title=\"t\">"),
            ("a < b &lt;i&gt; &amp &ouml;", "a &lt; b &lt;i&gt; &amp; ö"),
            ("<title><b>no</title>yes<script>no</script>", "yes"),
        ] {
            assert_eq!(in_order(html), expected, "{html}");
        }
    }

    #[test]
    fn what_ends_by_itself_is_ended_and_cells_keep_what_is_in_them() {
        let in_order = |html: &str| balanced(html, |_| true, |_, _| false);
        for (html, expected) in [
            ("<ul><li>1<li>2<ul><li>3</ul><li>4", "<ul><li>1</li><li>2<ul><li>3</li></ul></li><li>4</li></ul>"),
            ("<table><tr><td>1<td>2<tr><td>3", "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>"),
            ("<b><table><td>x</b>y</table>z</b>", "<b><table><td>xy</td></table>z</b>"),
            ("<p>a<div>b</p>c", "<p>a</p><div>bc</div>"),
        ] {
            assert_eq!(in_order(html), expected, "{html}");
        }
    }

    #[test]
    fn it_is_never_nested_deeper_than_a_page_needs() {
        let deep = in_order(&format!("{}x", "<b>".repeat(50_000)));
        assert_eq!(deep.matches("<b>").count(), DEPTH);
        assert!(deep.contains('x'));
        let long = in_order(&"<b>x</b>".repeat(100_000));
        assert_eq!(long.matches("</b>").count(), TAGS / 2);
        let text = in_order(&"words &amp".repeat(1_000_000));
        assert!((BYTES..BYTES + 5 * RUN).contains(&text.len()));
        assert!(text.split("<span></span>").all(|piece| piece.len() < 5 * RUN));
        assert_eq!(in_order(&format!("<p title='{}'>", "&".repeat(9_000))), "<p></p>");
        let wide = in_order(&format!("<b {}>", "title=1 ".repeat(100_000)));
        assert_eq!(wide, "<b title=\"1\"></b>");
    }
}
