//! The letters of a season, on disk and looked over.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::teller::{Held, same, so};
use crate::smtp::Received;

/// Writes each letter as `.eml` and `.html`, named by date, person and
/// subject; those of an earlier season go.
pub(super) fn write_down(letters: &[Received], folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "eml" || ext == "html") {
            fs::remove_file(path)?;
        }
    }
    let mut taken = BTreeSet::new();
    for letter in letters {
        let plain = file_name(letter);
        let mut name = plain.clone();
        let mut copy = 1;
        while !taken.insert(name.clone()) {
            copy += 1;
            name = format!("{plain}-{copy}");
        }
        fs::write(folder.join(format!("{name}.eml")), &letter.data)?;
        fs::write(folder.join(format!("{name}.html")), letter.html())?;
    }
    Ok(())
}

/// `2026-01-05-1400-ann-your-invitation-to-attic-cinema`.
fn file_name(letter: &Received) -> String {
    let to = letter.to.first().map_or("nobody", |to| to.split('@').next().unwrap_or(to));
    let words: Vec<String> = format!("{to} {}", letter.subject)
        .replace(['\'', '’'], "")
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let name: String = words.join("-").chars().take(80).collect();
    format!("{}-{}", letter.at.format("%Y-%m-%d-%H%M"), name.trim_end_matches('-'))
}

/// Each has both parts, over TLS, and a Message-ID of its own.
pub(super) fn are_sound(letters: &[Received]) -> Held {
    let mut ids = BTreeSet::new();
    for letter in letters {
        let which = format!("{:?} to {}", letter.subject, letter.to.join(", "));
        so(letter.text().trim().len() > 40, &format!("{which} has no text"))?;
        so(letter.html().contains("</html>"), &format!("{which} has no HTML"))?;
        so(letter.tls, &format!("{which} came in clear"))?;
        same("recipients", &letter.to.len(), &1)?;
        so(ids.insert(&letter.message_id), &format!("{which} came twice"))?;
    }
    so(!letters.is_empty(), "there are no letters")
}

#[cfg(test)]
mod tests {
    use usher::facts::Moment;

    use super::*;

    #[test]
    fn file_names_tell_when_to_whom_and_what() {
        let letter = Received {
            at: Moment::UNIX_EPOCH,
            from: String::new(),
            to: vec!["ann@example.com".into()],
            data: String::new(),
            message_id: String::new(),
            subject: "Your payment didn’t go through: /etc/../x".into(),
            connection: 1,
            ehlo: String::new(),
            tls: true,
            user: None,
            answer_lost: false,
        };
        assert_eq!(file_name(&letter), "1970-01-01-0000-ann-your-payment-didnt-go-through-etc-x");
    }
}
