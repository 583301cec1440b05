//! Discord's limits (facts/discord.md §2), counted in UTF-16 units, the
//! stricter of the two readings. Over a limit, Discord refuses the whole
//! message; so texts are cut with `…`.

use crate::letters::{Embed, Field};
use crate::limits::embed::{
    DESCRIPTION_MAX, FIELD_NAME_MAX, FIELD_VALUE_MAX, FIELDS_MAX, FOOTER_MAX, TITLE_MAX, TOTAL_MAX,
};

/// A value shorter than this isn't worth showing cut.
const WORTH: usize = 40;

/// `embed` within every limit, alone in a message.
#[must_use]
pub fn fit(embed: &Embed) -> Embed {
    let mut out = Embed {
        title: cut(&embed.title, TITLE_MAX),
        description: cut(&embed.description, DESCRIPTION_MAX),
        fields: Vec::new(),
        ..embed.clone()
    };
    out.footer.text = cut(&embed.footer.text, FOOTER_MAX);
    let mut room = TOTAL_MAX.saturating_sub(size(&out));
    for field in embed.fields.iter().take(FIELDS_MAX) {
        let name = or_dash(cut(&field.name, FIELD_NAME_MAX));
        let left = room.saturating_sub(units(&name));
        if left < WORTH {
            break;
        }
        let value = or_dash(cut(&field.value, FIELD_VALUE_MAX.min(left)));
        room = left.saturating_sub(units(&value));
        out.fields.push(Field { name, value, inline: field.inline });
    }
    out
}

/// The title alone, for a message that Discord found malformed.
pub(super) fn plain(embed: &Embed) -> String {
    or_dash(cut(&embed.title, TITLE_MAX))
}

/// All that counts toward the sum.
pub(super) fn size(embed: &Embed) -> usize {
    let fields: usize = embed.fields.iter().map(|field| units(&field.name) + units(&field.value)).sum();
    units(&embed.title) + units(&embed.description) + units(&embed.footer.text) + fields
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn or_dash(text: String) -> String {
    if text.trim().is_empty() { "–".to_owned() } else { text }
}

/// At most `units_max` units, `…` included; never ends within an escape.
fn cut(text: &str, units_max: usize) -> String {
    let text = text.trim();
    if units(text) <= units_max {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += c.len_utf16();
        if used > units_max {
            break;
        }
        out.push(c);
    }
    let slashes = out.chars().rev().take_while(|c| *c == '\\').count();
    if slashes % 2 == 1 {
        out.pop();
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::Footer;

    fn embed(description: usize, fields: usize, value: usize) -> Embed {
        let field = Field { name: "n".repeat(300), value: "🎬".repeat(value), inline: false };
        Embed {
            title: "\\*".repeat(300),
            description: "d".repeat(description),
            color: 0,
            fields: vec![field; fields],
            footer: Footer { text: "f".repeat(3000) },
            timestamp: String::new(),
        }
    }

    #[test]
    fn every_embed_fits_whatever_is_in_it() {
        for (description, fields, value) in [(0, 0, 0), (9000, 40, 2000), (10, 40, 2000), (4096, 3, 0), (5000, 1, 10)] {
            let out = fit(&embed(description, fields, value));
            assert!(size(&out) <= TOTAL_MAX, "{}", size(&out));
            assert!(units(&out.title) <= 256 && units(&out.description) <= 4096 && out.fields.len() <= 25);
            assert!(out.title.ends_with("*…") || out.title.ends_with("\\…"), "{}", out.title);
            for field in &out.fields {
                assert!(units(&field.name) <= 256 && units(&field.value) <= 1024 && !field.value.is_empty());
            }
        }
        assert_eq!(fit(&embed(10, 1, 0)).fields[0].value, "–");
    }
}
