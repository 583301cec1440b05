//! Messages for the operator's Discord.
//!
//! What it promises: a member's name can neither ping anybody, nor format
//! anything, nor make a link. Discord's length limits are kept by
//! `services/discord.rs`, which counts as Discord does.

use chrono::SecondsFormat;
use chrono_tz::Tz;
use serde::Serialize;

use super::bulletin::{Bulletin, Part, Piece, Tone, bulletin};
use super::{Brand, words};
use crate::ledger::Dispatch;

/// One embed, in the shape and the names of Discord's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Embed {
    /// Plain text: Discord formats no titles.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// `0xRRGGBB`.
    pub color: u32,
    /// At most 25 are sent.
    pub fields: Vec<Field>,
    /// Who speaks; `[dry run]` when it is one.
    pub footer: Footer,
    /// ISO 8601, UTC.
    pub timestamp: String,
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Markdown.
    pub value: String,
    /// Beside the next one rather than above it.
    pub inline: bool,
}

/// The small line below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Footer {
    /// Plain text.
    pub text: String,
}

/// Values up to this length stand side by side.
const INLINE_CHARS_MAX: usize = 40;

pub(super) fn embed(brand: &Brand, dispatch: &Dispatch, tz: Tz) -> Embed {
    let told = bulletin(dispatch, tz);
    let mark = if dispatch.dry_run { "[dry run] " } else { "" };
    let color = match told.tone {
        Tone::Good => 0x2e_9e_5b,
        Tone::Calm => words::color(&brand.color),
        Tone::Watch => 0xd9_90_2f,
        Tone::Grave => 0xc9_4a_4a,
    };
    Embed {
        title: escape(&format!("{mark}{}", told.title)),
        description: description(&told),
        color,
        fields: fields(&told),
        footer: Footer { text: words::name(&format!("{mark}Usher · {}", brand.name)) },
        timestamp: dispatch.first.date.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

fn description(told: &Bulletin) -> String {
    let mut out = markdown(&told.lead);
    if !told.people.is_empty() {
        out.push('\n');
        for person in &told.people {
            out.push_str("\n• ");
            out.push_str(&escape(person));
        }
        if told.people_more > 0 {
            out.push_str(&format!("\n• and {} more", told.people_more));
        }
    }
    out
}

fn fields(told: &Bulletin) -> Vec<Field> {
    let facts = told.facts.iter().map(|(name, value)| Field {
        name: name.clone(),
        inline: value.chars().count() <= INLINE_CHARS_MAX,
        value: escape(value),
    });
    let lines =
        |name: &str, lines: Vec<String>| Field { name: name.to_owned(), value: lines.join("\n"), inline: false };
    let checked = told.checked.iter().map(|one| format!("✓ {}", escape(one))).collect::<Vec<_>>();
    let steps = told.steps.iter().map(|step| markdown(step)).collect::<Vec<_>>();
    facts
        .chain(told.parts.iter().map(|part| lines(&part.title, part_lines(part))))
        .chain((!checked.is_empty()).then(|| lines("Checked", checked)))
        .chain((!steps.is_empty()).then(|| lines("What to do", steps)))
        .collect()
}

fn part_lines(part: &Part) -> Vec<String> {
    let shown = part.lines.iter().map(|line| format!("• {}", escape(line)));
    let more = (part.more > 0).then(|| format!("• and {} more", part.more));
    let see = (!part.see.is_empty()).then(|| markdown(&part.see));
    shown.chain(more).chain(see).collect()
}

fn markdown(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| if piece.code { format!("`{}`", piece.text) } else { escape(&piece.text) }).collect()
}

/// Makes `text` say what it says: no formatting, no mention, no link.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '\\' | '*' | '_' | '~' | '|' | '>' | '<' | '#' | '`' | '[' | ']' | '(' | ')' => {
                out.push('\\');
                out.push(c);
            }
            // Inert with `allowed_mentions: {parse: []}`; the mark keeps it
            // from looking like a ping, too. An address stays as it is.
            '@' if !before.is_alphanumeric() => out.push_str("@\u{200b}"),
            _ => out.push(c),
        }
        before = c;
    }
    out.replace("://", ":\u{200b}//")
}
