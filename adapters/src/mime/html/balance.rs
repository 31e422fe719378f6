//! HTML in an order in which a browser's parser has nothing to repair.
//!
//! The standard's parser opens again, in every block that follows, each formatting element that was not closed, compares
//! every attribute of a tag with all others, and looks for its place through all elements that are open: with two
//! megabytes of hostile HTML it takes gigabytes and hours. What goes through here has each element closed in order, is
//! nested no deeper than [`DEPTH`], and has only tags and attributes that may be shown. It makes nothing safe: that is the
//! sanitiser's work, which comes after it.

use std::{borrow::Cow, fmt::Write};

use super::tokens::{Token, Tokens, attributes};

/// How deep elements may be nested. Deeper ones are left out; what is in them is not.
const DEPTH: usize = 120;
/// Most attributes of a tag.
const ATTRIBUTES: usize = 24;

/// Elements without content.
const VOID: [&str; 5] = ["br", "col", "hr", "img", "wbr"];

/// Puts HTML in order, with only the tags and attributes that are asked for.
pub(super) fn balanced(html: &str, is_tag: impl Fn(&str) -> bool, is_attribute: impl Fn(&str, &str) -> bool) -> String {
    let mut out = String::with_capacity(html.len());
    let mut open: Vec<Cow<'_, str>> = Vec::new();
    let mut unseen = 0_u32;
    for token in Tokens::new(html) {
        match token {
            // Titles and choices are no text of the message.
            Token::Open { name, .. } if is_unseen(&name) => unseen += 1,
            Token::Close { name } if is_unseen(&name) => unseen = unseen.saturating_sub(1),
            _ if unseen > 0 => {}
            Token::Text(text) => out.push_str(&text.replace('<', "&lt;")),
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
    }
    open.iter().rev().for_each(|name| close(&mut out, name));
    out
}

/// Elements of tables.
const TABLE: [&str; 8] = ["caption", "table", "tbody", "td", "tfoot", "th", "thead", "tr"];

/// Which elements end where this one begins, and which keep them open.
fn ends(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match name {
        "li" => (&["li"], &["ul", "ol", "table", "td", "th"]),
        "dt" | "dd" => (&["dt", "dd"], &["dl", "table", "td", "th"]),
        "td" | "th" => (&["td", "th"], &["tr", "table"]),
        "tr" => (&["tr"], &["tbody", "thead", "tfoot", "table"]),
        "tbody" | "thead" | "tfoot" => (&["tbody", "thead", "tfoot"], &["table"]),
        "p" | "div" | "table" | "ul" | "ol" | "dl" | "pre" | "blockquote" | "center" | "hr" | "h1" | "h2" | "h3" | "h4"
        | "h5" | "h6" => (&["p"], &["div", "table", "td", "th", "li", "blockquote", "center"]),
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

fn write_tag(out: &mut String, name: &str, all: &str, is_attribute: &impl Fn(&str, &str) -> bool) {
    out.push('<');
    out.push_str(name);
    let mut written: Vec<Cow<'_, str>> = Vec::new();
    for (attribute, value) in attributes(all).filter(|(attribute, _)| is_attribute(name, attribute)) {
        // The first one counts.
        if written.len() < ATTRIBUTES && !written.contains(&attribute) {
            let value = value.replace('"', "&quot;");
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
        balanced(html, |tag| matches!(tag, "b" | "p" | "img" | "i"), |_, attribute| matches!(attribute, "src" | "title"))
    }

    #[test]
    fn elements_are_closed_in_order_and_only_those_that_are_asked_for_are_left() {
        for (html, expected) in [
            ("<b><p>x</b>y", "<b><p>x</p></b>y"),
            ("<p>one<p><i>two<p>three", "<p>one</p><p><i>two</i></p><p>three</p>"),
            ("</b>x<u>y</u>", "xy"),
            ("<img src='a\"b' onerror=x src=2 TITLE=t>", "<img src=\"a&quot;b\" title=\"t\">"),
            ("a < b &lt;i&gt;", "a &lt; b &lt;i&gt;"),
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
        let deep = in_order(&format!("{}x", "<b>".repeat(100_000)));
        assert_eq!(deep.matches("<b>").count(), DEPTH);
        assert!(deep.contains('x'));
        let wide = in_order(&format!("<b {}>", "title=1 ".repeat(100_000)));
        assert_eq!(wide, "<b title=\"1\"></b>");
    }
}
