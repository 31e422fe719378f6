//! What the values of the users context accept, and what they say when they do not.

use proptest::prelude::*;

use super::*;
use crate::laws::text;

fn codes(refused: Vec<Invalid>) -> Vec<&'static str> {
    refused.into_iter().map(|invalid| invalid.code).collect()
}

#[test]
fn an_email_is_kept_as_written_and_compared_without_case() {
    let email = Email::parse(" Ada.Lovelace+Orbit@Example.ORG ").unwrap();
    assert_eq!(email.as_str(), "Ada.Lovelace+Orbit@Example.ORG");
    assert_eq!(email.folded(), "ada.lovelace+orbit@example.org");
}

#[test]
fn what_is_no_email_is_refused() {
    let cases = [
        ("", "empty"),
        ("ada", "invalid_email"),
        ("ada@", "invalid_email"),
        ("@example.org", "invalid_email"),
        ("ada@localhost", "invalid_email"),
        ("ada@[127.0.0.1]", "invalid_email"),
        ("ada@example.org, bob@example.org", "invalid_email"),
        ("Ada <ada@example.org>", "invalid_email"),
        ("ada lovelace@example.org", "invalid_email"),
        ("ada@exa\0mple.org", "nul_character"),
        ("ada@example.org\r\nBcc: x@y.zz", "control_character"),
    ];
    for (text, code) in cases {
        assert_eq!(Email::parse(text).unwrap_err().code, code, "{text:?}");
    }
}

#[test]
fn an_email_has_at_most_254_characters() {
    let long = |local: usize| {
        format!("{}@{}.{}.{}.example.org", "a".repeat(local), "b".repeat(60), "c".repeat(60), "d".repeat(53))
    };
    assert_eq!(long(64).len(), 252);
    assert!(Email::parse(&long(64)).is_ok());
    assert_eq!(Email::parse(&long(67)).unwrap_err().code, "too_long");
}

#[test]
fn a_password_tells_every_rule_that_it_breaks() {
    assert_eq!(Password::parse("Secret-123").unwrap().expose(), "Secret-123");
    assert_eq!(codes(Password::parse("").unwrap_err()), ["too_short", "no_upper_case", "no_lower_case", "no_digit"]);
    assert_eq!(codes(Password::parse("abcdefgh").unwrap_err()), ["no_upper_case", "no_digit"]);
    assert_eq!(codes(Password::parse("ABCDEFG1").unwrap_err()), ["no_lower_case"]);
    assert_eq!(codes(Password::parse("Abcdef1\0").unwrap_err()), ["nul_character"]);
}

#[test]
fn a_password_has_8_to_128_characters() {
    let of = |length: usize| format!("Äb1{}", "ü".repeat(length - 3));
    assert_eq!(codes(Password::parse(&of(7)).unwrap_err()), ["too_short"]);
    assert!(Password::parse(&of(8)).is_ok());
    assert!(Password::parse(&of(128)).is_ok());
    assert_eq!(codes(Password::parse(&of(129)).unwrap_err()), ["too_long"]);
}

#[test]
fn a_password_is_not_printed() {
    assert_eq!(format!("{:?}", Password::parse("Secret-123").unwrap()), "(password)");
}

#[test]
fn a_time_zone_is_one_of_iana() {
    assert_eq!(TimeZone::parse("Europe/Berlin").unwrap().as_str(), "Europe/Berlin");
    assert_eq!(TimeZone::default().as_str(), "UTC");
    for text in ["", "Europe/Atlantis", "CEST+1", "+01:00", "europe/berlin "] {
        assert_eq!(TimeZone::parse(text).unwrap_err().code, "unknown_time_zone", "{text}");
    }
}

#[test]
fn a_locale_follows_bcp_47_and_gets_the_recommended_case() {
    let cases = [
        ("de", "de"),
        ("DE-de", "de-DE"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("sl-rozaj-biske", "sl-rozaj-biske"),
        ("de-ch-1901", "de-CH-1901"),
        ("en-u-ca-gregory", "en-u-ca-gregory"),
        ("en-GB-x-private-1", "en-GB-x-private-1"),
    ];
    for (text, expected) in cases {
        assert_eq!(Locale::parse(text).unwrap().as_str(), expected);
    }
}

#[test]
fn what_is_no_locale_is_refused() {
    for text in ["", "-", "d", "de-", "-de", "de_DE", "de--DE", "d3", "de-x", "de-u", "de-DE-DE", "ä-DE", "de-DE-\0"] {
        assert_eq!(Locale::parse(text).unwrap_err().code, "invalid_locale", "{text:?}");
    }
    assert!(Locale::parse(&format!("de-x-{}", "abcdefgh-".repeat(9))).is_err());
}

#[test]
fn an_avatar_is_at_an_https_address() {
    for text in [
        "https://example.org/ada.png",
        "https://example.org:8443/a?b=c#d",
        "https://192.0.2.1/a",
        "HTTPS://bücher.example/ä.png",
    ] {
        assert_eq!(AvatarUrl::parse(text).unwrap().as_str(), text);
    }
    for text in [
        "",
        "https://",
        "https:///a",
        "http://example.org/a.png",
        "ftp://example.org",
        "javascript:alert(1)",
        "https://ada:secret@example.org/",
        "https://example.org:99999/",
        "https://example.org/a b",
        "https://example.org/\"onload=",
        "https://-a.org/",
        "//example.org",
        "éhttps://example.org",
    ] {
        assert_eq!(AvatarUrl::parse(text).unwrap_err().code, "invalid_url", "{text}");
    }
    let long = |length: usize| format!("https://example.org/{}", "a".repeat(length - 20));
    assert!(AvatarUrl::parse(&long(2_048)).is_ok());
    assert_eq!(AvatarUrl::parse(&long(2_049)).unwrap_err().code, "too_long");
}

#[test]
fn scopes_are_known_and_each_counts_once() {
    let scopes = Scopes::parse(&["tasks:read", "admin", "tasks:read"]).unwrap();
    assert_eq!(scopes.names(), ["tasks:read", "admin"]);
}

#[test]
fn an_unknown_scope_is_named_with_its_place() {
    let refused = Scopes::parse(&["tasks:read", "tasks:fly", ""]).unwrap_err();
    assert_eq!(
        refused.iter().map(|(at, invalid)| (*at, invalid.code)).collect::<Vec<_>>(),
        [(Some(1), "unknown_scope"), (Some(2), "unknown_scope")]
    );
    assert!(refused[0].1.detail.starts_with("there is no scope tasks:fly; there are tasks:read, tasks:write,"));
    assert_eq!(Scopes::parse::<&str>(&[]).unwrap_err()[0].1.code, "empty");
}

#[test]
fn a_user_agent_is_cut_and_cleaned() {
    assert_eq!(UserAgent::cut(" curl/8\0.5 \n").unwrap().as_str(), "curl/8.5");
    assert_eq!(UserAgent::cut(&"ä".repeat(600)).unwrap().as_str().chars().count(), 512);
    assert_eq!(UserAgent::cut(" \0 "), None);
}

proptest! {
    #[test]
    fn no_text_makes_a_value_panic(text in text()) {
        let _ = (Name::parse(&text), Email::parse(&text), Password::parse(&text), TimeZone::parse(&text));
        let _ = (Locale::parse(&text), AvatarUrl::parse(&text), Scopes::parse(&[&text]), UserAgent::cut(&text));
        let _ = AvatarUrl::parse(&format!("https://{text}"));
        let _ = Locale::parse(&format!("de-{text}"));
    }

    #[test]
    fn what_was_accepted_is_accepted_again(text in "[a-zA-Z0-9-]{2,20}") {
        if let Ok(locale) = Locale::parse(&text) {
            prop_assert_eq!(Locale::parse(locale.as_str()), Ok(locale));
        }
    }
}
