//! Small words: dates as people write them, foreign text made harmless,
//! colours.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::Brand;
use crate::facts::Moment;

/// A name or title from outside is never longer than this.
pub(super) const NAME_CHARS_MAX: usize = 200;
/// A sentence of ours that may hold foreign words.
pub(super) const SENTENCE_CHARS_MAX: usize = 1000;
/// Mail programs show some 60–90; header lines end at 998.
pub(super) const SUBJECT_CHARS_MAX: usize = 150;
/// Stripe's invoice links are some 200 characters long.
const LINK_CHARS_MAX: usize = 2000;

/// The quiet blue of a brand without a usable colour.
const FALLBACK_COLOR: u32 = 0x3b_5b_92;

/// `text` on one line: control characters and those that turn the reading
/// direction are gone, white space is folded, the rest is cut with `…`.
pub(super) fn clean(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    let mut chars = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        let word = word.chars().filter(|c| !turns_or_hides(*c));
        for c in (!out.is_empty()).then_some(' ').into_iter().chain(word) {
            if chars == chars_max {
                out.pop();
                out.push('…');
                return out;
            }
            out.push(c);
            chars += 1;
        }
    }
    out
}

/// Bidirectional controls, the zero-width space and the byte order mark.
/// (The zero-width joiner stays: emoji and several scripts need it.)
fn turns_or_hides(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A name, title or label from outside.
pub(super) fn name(text: &str) -> String {
    clean(text, NAME_CHARS_MAX)
}

/// A sentence.
pub(super) fn sentence(text: &str) -> String {
    clean(text, SENTENCE_CHARS_MAX)
}

/// `link`, when it is one that may stand behind a button.
pub(super) fn link(link: &str) -> Option<String> {
    let link = link.trim();
    let scheme = ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme));
    let plain = link.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '`'));
    (scheme && plain && link.len() <= LINK_CHARS_MAX).then(|| link.to_owned())
}

/// "Saturday, 21 November 2026".
pub(super) fn day(day: NaiveDate) -> String {
    day.format("%A, %-d %B %Y").to_string()
}

/// "Saturday, 21 November 2026, 09:05 CET".
pub(super) fn moment(at: Moment, tz: Tz) -> String {
    at.with_timezone(&tz).format("%A, %-d %B %Y, %H:%M %Z").to_string()
}

/// "1 day", "27 days".
pub(super) fn days(n: i64) -> String {
    if n == 1 { "1 day".to_owned() } else { format!("{n} days") }
}

/// "Films, Series and Music".
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// `#rrggbb` as a number.
pub(super) fn color(text: &str) -> u32 {
    let digits = text.trim().strip_prefix('#').filter(|digits| digits.len() == 6);
    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(FALLBACK_COLOR)
}

/// Black or white, whichever is easier to read on `color`.
fn on(color: u32) -> &'static str {
    let [_, red, green, blue] = color.to_be_bytes().map(u32::from);
    // Perceived brightness in thousandths of 255 (ITU-R BT.601).
    if red * 299 + green * 587 + blue * 114 > 150_000 { "#1b1f24" } else { "#ffffff" }
}

/// The brand as the templates know it.
pub(super) fn brand(brand: &Brand) -> Value {
    let color = color(&brand.color);
    json!({
        "name": name(&brand.name),
        "color": format!("#{color:06x}"),
        "on_color": on(color),
        "support_link": brand.support_link.as_deref().and_then(link),
        "public_url": brand.public_url.as_deref().and_then(link).map(|url| url.trim_end_matches('/').to_owned()),
    })
}

/// No blank lines at the ends, none doubled; one line break at the end.
pub(super) fn tidy_text(text: &str) -> String {
    let mut out = String::new();
    let mut blank = true;
    for line in text.trim().lines().map(str::trim_end) {
        if line.is_empty() && blank {
            continue;
        }
        blank = line.is_empty();
        out.push_str(line);
        out.push('\n');
    }
    out
}
