//! HTML as text: what a reader would see of it, line by line.

use super::tokens::{Token, Tokens, unescaped};

/// The text of HTML. Tables become lines, with a space between their cells.
pub(in crate::mime) fn plain(html: &str) -> String {
    let mut page = Page {
        text: String::with_capacity(html.len() / 4),
        gap: Gap::None,
        is_marked: false,
        preformatted: 0,
        unseen: 0,
    };
    for token in Tokens::new(html) {
        match token {
            Token::Text(text) if page.unseen == 0 => page.write(&unescaped(text)),
            Token::Text(_) => {}
            Token::Open { name, .. } => page.open(&name),
            Token::Close { name } => page.close(&name),
        }
    }
    page.text
}

/// What lies between the last that was written and the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

struct Page {
    text: String,
    gap: Gap,
    /// Whether a mark was just written, which has its space.
    is_marked: bool,
    preformatted: u32,
    /// How deep it is in what is not seen.
    unseen: u32,
}

impl Page {
    fn write(&mut self, text: &str) {
        if self.preformatted > 0 {
            self.close_gap();
            self.text.push_str(text);
            return;
        }
        for (nth, word) in text.split(is_space).enumerate() {
            if nth > 0 {
                self.gap = self.gap.max(Gap::Space);
            }
            if !word.is_empty() {
                self.close_gap();
                self.text.push_str(word);
            }
        }
    }

    fn close_gap(&mut self) {
        let gap = std::mem::replace(&mut self.gap, Gap::None);
        let is_marked = std::mem::replace(&mut self.is_marked, false);
        if self.text.is_empty() {
            return;
        }
        let has_space = is_marked || self.text.ends_with('\n');
        match gap {
            Gap::None => {}
            Gap::Space if has_space => {}
            Gap::Space => self.text.push(' '),
            Gap::Line => self.line(),
            Gap::Paragraph => {
                self.line();
                if !self.text.ends_with("\n\n") {
                    self.text.push('\n');
                }
            }
        }
    }

    fn line(&mut self) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn open(&mut self, name: &str) {
        match name {
            "br" => {
                self.close_gap();
                self.text.push('\n');
            }
            "li" => {
                self.gap = self.gap.max(Gap::Line);
                self.close_gap();
                self.text.push_str("- ");
                self.is_marked = true;
            }
            "td" | "th" => self.gap = self.gap.max(Gap::Space),
            "pre" => {
                self.gap = self.gap.max(Gap::Line);
                self.preformatted += 1;
            }
            "title" | "select" => self.unseen += 1,
            _ => self.gap = self.gap.max(around(name)),
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "pre" => {
                self.gap = self.gap.max(Gap::Line);
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            "title" | "select" => self.unseen = self.unseen.saturating_sub(1),
            _ => self.gap = self.gap.max(around(name)),
        }
    }
}

/// What an element sets itself apart with.
fn around(name: &str) -> Gap {
    match name {
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "ul" | "ol" | "dl" | "hr" => Gap::Paragraph,
        "div" | "tr" | "table" | "tbody" | "thead" | "tfoot" | "caption" | "li" | "dt" | "dd" | "address"
        | "article" | "aside" | "body" | "center" | "figure" | "footer" | "form" | "header" | "main" | "nav"
        | "section" => Gap::Line,
        _ => Gap::None,
    }
}

/// White space that collapses; the space that does not break is seen as one too.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{c}' | '\u{a0}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_reads_as_it_would_be_seen() {
        for (html, text) in [
            ("<p>One</p><p>two&nbsp;<b>thr</b>ee</p>", "One\n\ntwo three"),
            ("<div>a</div><div>b<br>c</div>", "a\nb\nc"),
            ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3"),
            ("Things:<ul><li>one</li><li> two</li></ul>done", "Things:\n\n- one\n- two\n\ndone"),
            ("<html><head><title>No</title><style>p{}</style></head><body>  Yes \n sir </body>", "Yes sir"),
            ("<pre>a\n  b</pre>c", "a\n  b\nc"),
            ("1 &lt; 2 &amp; 3<4", "1 < 2 & 3<4"),
            ("<script>alert(1)</script>", ""),
            ("", ""),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }
}
