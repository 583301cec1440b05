//! Letters on disk, for people to open, and looked over as a receiver would.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::smtp::Received;

/// Writes each letter as `.eml` and `.html`, named by date, person and
/// subject; those that were there before go.
///
/// # Errors
/// When the folder can't be written to.
pub fn write_down(letters: &[Received], folder: &Path) -> io::Result<()> {
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
#[must_use]
pub fn file_name(letter: &Received) -> String {
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

/// What is wrong with the first that isn't as it should be: both parts, over
/// TLS, to one person, with a Message-ID of its own.
///
/// # Errors
/// That, in words.
pub fn are_sound(letters: &[Received]) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    for letter in letters {
        let wrong = match letter {
            _ if letter.text().trim().is_empty() => "has no text",
            _ if !letter.html().contains("</html>") => "has no HTML",
            _ if !letter.tls => "came in clear",
            _ if letter.to.len() != 1 => "went to several people at once",
            _ if !ids.insert(&letter.message_id) => "came twice",
            _ => continue,
        };
        return Err(format!("{:?} to {} {wrong}", letter.subject, letter.to.join(", ")));
    }
    if letters.is_empty() { Err("there are no letters".into()) } else { Ok(()) }
}
