//! Messages and their files as they came, and their HTML made harmless.

use http_body_util::BodyExt;
use orbit_events::emails::email::{Deleted, Trashed};
use serde_json::json;

use crate::{
    mail::email_id,
    world::{ADA, BOB, World, at},
};

/// A message with HTML, a picture in it, a file in base64, one in quoted-printable and one as it is.
const MESSAGE: &str = "From: Bob <bob@example.org>\r\nSubject: Files\r\nMessage-ID: <1@example.org>\r\n\
Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
--r\r\nContent-Type: text/html\r\n\r\n<p onclick=\"steal()\">Hello <img src=\"cid:cat@here\"><script>alert(1)</script>\
<img src=\"https://tracker.example/pixel.gif\"><img src=\"cid:nobody@here\"></p>\r\n\
--r\r\nContent-Type: image/png; name=cat.png\r\nContent-ID: <cat@here>\r\nContent-Disposition: inline\r\n\
Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--r--\r\n\
--b\r\nContent-Type: text/html; name=\"Käse \\\"x\\\".html\"\r\nContent-Disposition: attachment\r\n\
Content-Transfer-Encoding: base64\r\n\r\nPHNjcmlwdD5h\r\nbGVydCgxKTwv\r\nc2NyaXB0Pg==\r\n\
--b\r\nContent-Type: text/plain; name=note.txt\r\nContent-Disposition: attachment\r\n\
Content-Transfer-Encoding: quoted-printable\r\n\r\nna=C3=AFve =\r\ntext\r\n\
--b\r\nContent-Type: application/x-thing; name=thing.bin\r\nContent-Disposition: attachment\r\n\r\n0123456789\r\n--b--\r\n";

async fn world() -> World {
    let world = World::new().await.with_mailbox().await;
    world.message(1, MESSAGE.as_bytes()).await;
    world
}

/// Status, `Content-Range` and body.
async fn range(world: &World, path: &str, range: &str) -> (u16, Option<String>, Vec<u8>) {
    let token = format!("Bearer {}", world.token(ADA));
    let response = world.open(path, &[("authorization", &token), ("range", range)]).await;
    let status = response.status().as_u16();
    let told = response.headers().get("content-range").map(|value| value.to_str().unwrap().to_owned());
    let length = response.headers().get("content-length").map(|value| value.to_str().unwrap().parse().unwrap());
    let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
    if status < 300 {
        assert_eq!(length, Some(body.len()), "{path} {range}");
    }
    (status, told, body)
}

#[tokio::test]
async fn an_email_shows_its_html_without_what_could_do_harm() {
    let world = world().await;
    let path = format!("/emails/{}", email_id(1));
    let email = world.get(ADA, &path).await.ok();
    let html = email["body_html"].as_str().unwrap();
    assert_eq!((&email["html_available"], &email["blocked_images"]), (&json!(true), &json!(1)));
    assert!(html.contains("Hello"), "{html}");
    assert!(html.contains(&format!("src=\"/api/v1/emails/{}/parts/1.2\"", email_id(1))), "{html}");
    assert!(html.contains("data-blocked-src=\"https://tracker.example/pixel.gif\""), "{html}");
    for hostile in ["script", "alert", "onclick", "steal", " src=\"https:", "cid:"] {
        assert!(!html.contains(hostile), "{hostile} in {html}");
    }
    let shown = world.get(ADA, &format!("{path}?images=show")).await.ok();
    assert_eq!(shown["blocked_images"], 0);
    assert!(shown["body_html"].as_str().unwrap().contains(" src=\"https://tracker.example/pixel.gif\""), "{shown}");
    let blocked = world.get(ADA, &format!("{path}?images=block")).await.ok();
    assert_eq!(blocked["body_html"], email["body_html"]);
    let names: Vec<_> = email["attachments"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
    assert_eq!(names, ["1.2", "2", "3", "4"]);
    assert_eq!((&email["attachments"][0]["inline"], &email["attachments"][1]["inline"]), (&json!(true), &json!(false)));
    assert_eq!(email["raw_sha256"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn no_hostile_html_comes_back() {
    let world = World::new().await.with_mailbox().await;
    let snippets = [
        "<svg><script>alert(1)</script></svg>",
        "<img src=x onerror=alert(1)>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\" java&#x0A;script:alert(1)\">x</a>",
        "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
        "<form action=https://evil.example><input name=password></form>",
        "<style>body{background:url(https://evil.example)}</style>",
        "<div style=\"background:url(https://evil.example);position:fixed\">x</div>",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
        "<base href=https://evil.example><link rel=stylesheet href=https://evil.example>",
        "<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
        "<object data=https://evil.example></object><embed src=https://evil.example>",
        "<img src=\"data:image/svg+xml;base64,PHN2Zz4=\"><img src=\"data:text/html,<script>\">",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    ];
    for (n, snippet) in (1..).zip(snippets) {
        let message = format!("From: bob@example.org\r\nContent-Type: text/html\r\n\r\n{snippet}");
        world.message(n, message.as_bytes()).await;
        for images in ["block", "show"] {
            let email = world.get(ADA, &format!("/emails/{}?images={images}", email_id(n))).await.ok();
            let html = email["body_html"].as_str().unwrap().to_lowercase();
            for hostile in [
                "<script", "<iframe", "<form", "<input", "<style", "<base", "<link", "<meta", "<object", "<embed",
                "<svg",
            ] {
                assert!(!html.contains(hostile), "{snippet}: {html}");
            }
            for attribute in ["javascript:", "url(", "position", "srcdoc", "data:image/svg", "data:text"] {
                assert!(!html.contains(attribute), "{snippet}: {html}");
            }
            let within_tags = html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap_or_default());
            for tag in within_tags.filter(|tag| !tag.contains("title=")) {
                assert!(!tag.contains(" on"), "{snippet}: {html}");
            }
        }
    }
}

#[tokio::test]
async fn the_message_itself_comes_back_as_it_came() {
    let world = world().await;
    let path = format!("/emails/{}/raw", email_id(1));
    let reply = world.get(ADA, &path).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, MESSAGE));
    assert_eq!(reply.header("content-type"), Some("message/rfc822"));
    assert_eq!(
        reply.header("content-disposition"),
        Some(format!("attachment; filename=\"{}.eml\"", email_id(1)).as_str())
    );
    assert_eq!(reply.header("accept-ranges"), Some("bytes"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert!(reply.header("content-security-policy").unwrap().contains("sandbox"));
    assert!(reply.header("orbit-as-of").is_some());
    let tag = reply.header("etag").unwrap().to_owned();
    let whole = world.get(ADA, &format!("/emails/{}", email_id(1))).await.ok();
    assert_eq!(tag, format!("\"{}\"", whole["raw_sha256"].as_str().unwrap()));
    let known = world.get_with(ADA, &path, &[("if-none-match", &tag)]).await;
    assert_eq!((known.status, known.text.as_str(), known.header("etag")), (304, "", Some(tag.as_str())));
    let length = MESSAGE.len();
    let all = MESSAGE.as_bytes();
    for (asked, status, expected) in [
        ("bytes=0-9".to_owned(), 206, &all[..10]),
        ("bytes=10-10".to_owned(), 206, &all[10..11]),
        (format!("bytes={}-", length - 1), 206, &all[length - 1..]),
        ("bytes=-5".to_owned(), 206, &all[length - 5..]),
        ("bytes=0-99999999999999999999".to_owned(), 206, all),
        ("bytes=-99999999".to_owned(), 206, all),
        ("bytes=5-2".to_owned(), 200, all),
        ("bytes=0-1,3-4".to_owned(), 200, all),
        ("chapters=1-2".to_owned(), 200, all),
        ("nonsense".to_owned(), 200, all),
    ] {
        let (got, told, body) = range(&world, &path, &asked).await;
        assert_eq!((got, body.as_slice()), (status, expected), "{asked}");
        assert_eq!(told.is_some(), status == 206, "{asked}");
    }
    assert_eq!(range(&world, &path, "bytes=2-5").await.1.unwrap(), format!("bytes 2-5/{length}"));
    for behind in [format!("bytes={length}-"), "bytes=-0".to_owned()] {
        let (status, told, body) = range(&world, &path, &behind).await;
        assert_eq!((status, told.unwrap()), (416, format!("bytes */{length}")), "{behind}");
        assert!(String::from_utf8(body).unwrap().contains("range_not_satisfiable"));
    }
    let other = world.get_with(ADA, &path, &[("range", "bytes=0-1"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status, other.text.len()), (200, length));
    let same = world.get_with(ADA, &path, &[("range", "bytes=0-1"), ("if-range", &tag)]).await;
    assert_eq!((same.status, same.text.as_str()), (206, "Fr"));
}

#[tokio::test]
async fn files_come_back_decoded_and_no_browser_runs_them() {
    let world = world().await;
    let files: [(&str, usize, &[u8], &str, &str); 4] = [
        ("1.2", 1, b"\x89PNG\r\n\x1a\n", "image/png", "inline; filename=\"cat.png\""),
        (
            "2",
            2,
            b"<script>alert(1)</script>",
            "text/html",
            "attachment; filename=\"K_se _x_.html\"; filename*=UTF-8''K%C3%A4se%20%22x%22.html",
        ),
        ("3", 3, "na\u{ef}ve text".as_bytes(), "text/plain", "attachment; filename=\"note.txt\""),
        ("4", 4, b"0123456789", "application/x-thing", "attachment; filename=\"thing.bin\""),
    ];
    let token = format!("Bearer {}", world.token(ADA));
    for (path, number, content, media, disposition) in files {
        let by_path = format!("/emails/{}/parts/{path}", email_id(1));
        let by_number = format!("/emails/{}/attachments/{number}", email_id(1));
        for path in [&by_path, &by_number] {
            let response = world.open(path, &[("authorization", &token)]).await;
            assert_eq!(response.status(), 200, "{path}");
            let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(
                (header("content-type"), header("content-disposition")),
                (media.to_owned(), disposition.to_owned())
            );
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert!(header("content-security-policy").starts_with("sandbox"), "{path}");
            assert_eq!(header("content-length"), content.len().to_string(), "{path}");
            let tag = header("etag");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, content, "{path}");
            let known = world.get_with(ADA, path, &[("if-none-match", &format!("\"x\", W/{tag}"))]).await;
            assert_eq!(known.status, 304, "{path}");
            for (start, end) in [(0, 0), (0, content.len() - 1), (3, 5), (content.len() - 1, content.len() - 1)] {
                let (status, told, body) = range(&world, path, &format!("bytes={start}-{end}")).await;
                assert_eq!((status, body.as_slice()), (206, &content[start..=end]), "{path} {start}-{end}");
                assert_eq!(told.unwrap(), format!("bytes {start}-{end}/{}", content.len()));
            }
            assert_eq!(range(&world, path, &format!("bytes={}-", content.len())).await.0, 416, "{path}");
        }
    }
}

#[tokio::test]
async fn a_file_that_was_written_in_the_text_comes_back_too() {
    let world = World::new().await.with_mailbox().await;
    let message = "Subject: x\n\nSee:\nbegin 644 note.txt\n+2&5L;&\\L($UA:6P \n`\nend\n";
    world.message(1, message.as_bytes()).await;
    let path = format!("/emails/{}/attachments/1", email_id(1));
    assert_eq!(world.get(ADA, &path).await.text, "Hello, Mail");
    assert_eq!(range(&world, &path, "bytes=7-").await.2, b"Mail");
}

#[tokio::test]
async fn large_files_are_streamed_whole_and_in_ranges() {
    let world = World::new().await.with_mailbox().await;
    let plain: Vec<u8> = (0..3_000_000_u32).map(|at| b"abcdefghijklmnopqrstuvwxyz"[(at % 26) as usize]).collect();
    let mut message = b"Content-Type: application/x-thing; name=large.bin\r\nContent-Disposition: attachment\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    for line in plain.chunks(57) {
        use base64::Engine as _;
        message.extend(base64::engine::general_purpose::STANDARD.encode(line).into_bytes());
        message.extend(b"\r\n");
    }
    world.message(1, &message).await;
    let path = format!("/emails/{}/attachments/1", email_id(1));
    let whole = world.get(ADA, &path).await;
    assert!(whole.status == 200 && whole.text.as_bytes() == plain, "{} bytes", whole.text.len());
    let (status, told, body) = range(&world, &path, "bytes=1999990-2000009").await;
    assert_eq!((status, told.as_deref()), (206, Some("bytes 1999990-2000009/3000000")));
    assert_eq!(body, &plain[1_999_990..2_000_010]);
}

#[tokio::test]
async fn what_is_not_there_is_404_for_everybody_and_what_is_there_for_others() {
    let world = world().await;
    let id = email_id(1);
    for path in ["raw", "parts/1.2", "attachments/1"].map(|end| format!("/emails/{id}/{end}")) {
        assert_eq!(world.get(BOB, &path).await.status, 404, "{path}");
        assert_eq!(world.get(ADA, &format!("{path}?colour=red")).await.status, 400, "{path}");
        let past = world.get(ADA, &format!("{path}?as_of=1")).await;
        assert_eq!((past.status, &past.json()["errors"][0]["pointer"]), (400, &json!("?as_of")), "{path}");
    }
    for end in ["parts/9", "parts/..%2f1", "attachments/0", "attachments/5", "attachments/-1", "attachments/x", "raw/x"]
    {
        assert_eq!(world.get(ADA, &format!("/emails/{id}/{end}")).await.status, 404, "{end}");
    }
    world.on_mail(1, 2, Trashed { trashed_at: at("2026-11-22T10:00:00Z") }).await;
    assert_eq!(world.get(ADA, &format!("/emails/{id}/raw")).await.status, 200);
    world.on_mail(1, 3, Deleted {}).await;
    assert_eq!(world.get(ADA, &format!("/emails/{id}/raw")).await.status, 404);
}

#[tokio::test]
async fn without_a_store_the_setting_is_named_and_the_text_is_read_all_the_same() {
    let world = World::without_blobs().await.with_mailbox().await;
    world.message(1, MESSAGE.as_bytes()).await;
    world.mail(2, |_| ()).await;
    let id = email_id(1);
    for end in ["/raw", "/parts/1.2", "/attachments/1", "?images=block", "?images=show"] {
        let reply = world.get(ADA, &format!("/emails/{id}{end}")).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (501, Some("not_configured")), "{end}");
        assert!(reply.json()["detail"].as_str().unwrap().contains("ORBIT_BLOBS"), "{end}");
    }
    let email = world.get(ADA, &format!("/emails/{id}")).await.ok();
    assert_eq!((&email["html_available"], &email["body_html"]), (&json!(true), &json!(null)));
    let plain = world.get(ADA, &format!("/emails/{}?images=block", email_id(2))).await.ok();
    assert_eq!((&plain["html_available"], &plain["body_html"]), (&json!(false), &json!(null)));
}

#[tokio::test]
async fn who_was_forgotten_has_no_messages_any_more() {
    let world = world().await;
    world.vault().destroy_keys(ADA).await.unwrap();
    for end in ["/raw", "/attachments/4", ""] {
        let reply = world.get(ADA, &format!("/emails/{}{end}", email_id(1))).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (401, Some("invalid_token")), "{end}");
    }
}
