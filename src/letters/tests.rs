//! Golden letters: `BLESS=1 cargo test --lib letters` writes them anew.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::facts::Email;
use crate::ledger::{EndedBecause, Letter, Person};
use crate::member::MemberId;

fn brand() -> Brand {
    Brand {
        name: "Attic Cinema".to_owned(),
        color: "#3b5b92".to_owned(),
        support_link: Some("https://help.example.com/".to_owned()),
        public_url: Some("https://cinema.example.com".to_owned()),
    }
}

fn renderer() -> Renderer {
    Renderer::new(brand(), &BTreeMap::new()).unwrap()
}

/// Compares with the golden file, or writes it when `BLESS=1`.
fn golden(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/letters").join(file);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == text, "{file} differs from its golden file; look at it, then BLESS=1\n{text}");
}

#[test]
fn every_letter_is_as_in_its_golden_files() {
    for kind in KINDS {
        let dispatch = sample_dispatch(kind).unwrap();
        assert_eq!(dispatch.letter.kind(), kind);
        let mail = renderer().mail(&dispatch, Tz::Europe__Berlin).unwrap();
        golden(&format!("{kind}.html"), &mail.html);
        golden(&format!("{kind}.txt"), &mail.text);
        golden(&format!("{kind}.subject"), &format!("{}\n", mail.subject));
        if dispatch.audience == Audience::Operator {
            let embed = renderer().embed(&dispatch, Tz::Europe__Berlin);
            golden(&format!("{kind}.embed.json"), &format!("{}\n", serde_json::to_string_pretty(&embed).unwrap()));
        }
    }
}

/// The visible words of an HTML mail, on one line.
fn visible(html: &str) -> String {
    let body = html.split_once("</div>").map_or(html, |(_, rest)| rest);
    let mut out = String::new();
    let mut inside = false;
    for c in body.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    let out = entities.iter().fold(out, |out, (entity, plain)| out.replace(entity, plain));
    out.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",")
}

#[test]
fn text_and_html_say_the_same() {
    let bare = Renderer::new(Brand { support_link: None, public_url: None, ..brand() }, &BTreeMap::new()).unwrap();
    let mut dispatches: Vec<_> = KINDS.iter().filter_map(|kind| sample_dispatch(kind)).collect();
    for because in [
        EndedBecause::PaymentFailed,
        EndedBecause::TrialEnded,
        EndedBecause::NoSubscription,
        EndedBecause::Operator,
        EndedBecause::GrantOver,
        EndedBecause::Refunded,
        EndedBecause::Disputed,
    ] {
        dispatches.push(Dispatch { letter: Letter::AccessEnded { because }, ..sample_dispatch("welcome").unwrap() });
    }
    let nothing = Letter::PaymentFailed { amount: None, pay_url: None, access_until: None, next_attempt: None };
    dispatches.push(Dispatch { letter: nothing, ..sample_dispatch("welcome").unwrap() });
    for renderer in [renderer(), bare] {
        for dispatch in &dispatches {
            let mail = renderer.mail(dispatch, Tz::UTC).unwrap();
            let html = visible(&mail.html);
            assert!(!mail.text.contains("none") && !html.contains("none"), "{}", mail.text);
            for line in mail.text.lines().map(|line| line.trim_start_matches("- ").replace('`', "")) {
                if let Some((words, link)) = line.split_once("https://") {
                    let href = format!("https://{link}").replace('/', "&#x2f;");
                    assert!(mail.html.contains(&href) || mail.html.contains(&format!("https://{link}")), "{line}");
                    assert!(html.contains(words.trim().trim_end_matches(':')), "{line} not in {html}");
                } else if line != "--" {
                    // A row of the facts table has no colon in HTML.
                    let row = line.replacen(": ", " ", 1);
                    assert!(html.contains(&line) || html.contains(&row), "{line:?} not in {html}");
                }
            }
        }
    }
}

#[test]
fn a_hostile_name_stays_a_name() {
    let who = Person {
        member: MemberId::number(1),
        name: "<b>@everyone</b>\r\nBcc: x@example.com \u{202e}[a](http://evil.example) {{ brand }}".to_owned(),
        email: Email::parse("a@example.com"),
        plex: None,
    };
    let letter = Letter::Departed { who, how: "x".repeat(5000) };
    let dispatch = Dispatch { letter, ..sample_dispatch("departed").unwrap() };
    let mail = renderer().mail(&dispatch, Tz::UTC).unwrap();
    assert!(!mail.subject.chars().any(char::is_control) && !mail.subject.contains('\u{202e}'), "{:?}", mail.subject);
    assert!(mail.subject.chars().count() <= words::SUBJECT_CHARS_MAX);
    assert!(mail.html.contains("&lt;b&gt;@everyone") && !mail.html.contains("<b>"));
    assert!(!mail.text.lines().any(|line| line.starts_with("Bcc")));
    assert!(mail.html.len() < 20_000);
    let embed = renderer().embed(&dispatch, Tz::UTC);
    let all = serde_json::to_string(&embed).unwrap();
    assert!(!all.contains("@everyone") && !all.contains("http://"), "{all}");
    assert!(embed.title.contains("\\<b\\>"), "{}", embed.title);
}

#[test]
fn a_dry_run_is_marked() {
    let dispatch = Dispatch { dry_run: true, ..sample_dispatch("removed").unwrap() };
    assert!(renderer().mail(&dispatch, Tz::UTC).unwrap().subject.starts_with("[dry run] "));
    assert!(renderer().embed(&dispatch, Tz::UTC).footer.text.starts_with("[dry run] "));
}

#[test]
fn a_pay_link_that_is_none_makes_no_button() {
    let letter = Letter::PaymentFailed {
        amount: None,
        pay_url: Some("javascript:alert(1)".to_owned()),
        access_until: None,
        next_attempt: None,
    };
    let mail = renderer().mail(&Dispatch { letter, ..sample_dispatch("payment_failed").unwrap() }, Tz::UTC).unwrap();
    assert!(!mail.html.contains("javascript") && !mail.text.contains("javascript"));
}

#[test]
fn the_operators_own_templates_take_the_place_of_ours() {
    let own =
        |name: &str, source: &str| Renderer::new(brand(), &BTreeMap::from([(name.to_owned(), source.to_owned())]));
    let renderer_of_theirs = own("welcome.txt", "Subject: Hi\n\nCome in.\n").unwrap();
    let mail = renderer_of_theirs.mail(&sample_dispatch("welcome").unwrap(), Tz::UTC).unwrap();
    assert_eq!((mail.subject.as_str(), mail.text.as_str()), ("Hi", "Come in.\n"));
    let joined = renderer_of_theirs.mail(&sample_dispatch("joined").unwrap(), Tz::UTC).unwrap();
    assert_eq!(joined, renderer().mail(&sample_dispatch("joined").unwrap(), Tz::UTC).unwrap());
    for (name, source) in
        [("welcome.txt", "Come in.\n"), ("welcome.html", "{{ letter."), ("wellcome.txt", "Subject: Hi\n")]
    {
        assert!(own(name, source).err().unwrap().to_string().contains(name), "{name}");
    }
}

#[test]
fn a_template_that_fails_on_a_letter_leaves_the_word_to_ours() {
    // The sample has a last play; this letter has none.
    let source = "Subject: {% if not letter.last_play %}{{ nothing.at.all }}{% endif %} Hi\nCome.\n";
    let own =
        Renderer::new(brand(), &BTreeMap::from([("inactivity_warning.txt".to_owned(), source.to_owned())])).unwrap();
    let letter = Letter::InactivityWarning {
        idle_days: 27,
        last_play: None,
        never_watched: true,
        until: chrono::NaiveDate::from_ymd_opt(2026, 11, 24).unwrap(),
        downloads: false,
        pays: false,
    };
    let dispatch = Dispatch { letter, ..sample_dispatch("inactivity_warning").unwrap() };
    assert_eq!(own.mail(&dispatch, Tz::UTC), renderer().mail(&dispatch, Tz::UTC));
}

#[test]
fn long_text_is_cut_and_colours_are_read() {
    assert_eq!(words::clean("abcdef", 4), "abc…");
    assert_eq!(words::clean("ab\u{0}c\n\td", 9), "ab c d");
    assert_eq!(words::color("#ff8000"), 0xff_80_00);
    assert_eq!(words::color("red; x"), words::color(""));
}
