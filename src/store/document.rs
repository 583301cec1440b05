//! The document: `{schema, generation, sha256, book}` as pretty JSON. The sum
//! is over the book's bytes exactly as they stand in the file, so a torn or
//! edited file can't pass for a whole one.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Generation, StoreError, Trust};

/// The newest document that this version reads, and the one it writes.
pub(super) const SCHEMA: u32 = 1;

/// What a file turned out to be.
#[derive(Debug)]
pub(super) enum Found<B> {
    /// Whole: the sum is right and the book was understood.
    Whole { book: B, generation: Generation, trust: Trust },
    /// Written by a newer version.
    Newer { schema: u32 },
    /// Torn, edited, or no document at all.
    Damaged { why: String },
    /// The sum is right, but the book isn't one that we know.
    NotUnderstood { why: String },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    generation: Generation,
    sha256: String,
    #[serde(default)]
    trust: Trust,
    #[serde(borrow)]
    book: &'a RawValue,
}

/// Read first and alone: a newer document may differ in everything else.
#[derive(Deserialize)]
struct SchemaOnly {
    schema: u32,
}

/// The bytes of a file that holds `book`.
pub(super) fn encode<B: Serialize>(book: &B, generation: Generation, trust: &Trust) -> Result<Vec<u8>, StoreError> {
    let not_json = |why: serde_json::Error| StoreError::NotJson { why: why.to_string() };
    // Newlines within JSON strings are escaped, so this only indents.
    let book = serde_json::to_string_pretty(book).map_err(not_json)?.replace('\n', "\n  ");
    let sum = sum(book.as_bytes());
    let trust = match trust {
        Trust::Sound => String::new(),
        doubt => format!("  \"trust\": {},\n", serde_json::to_string(doubt).map_err(not_json)?),
    };
    let document = format!(
        "{{\n  \"schema\": {SCHEMA},\n  \"generation\": {generation},\n  \"sha256\": \"{sum}\",\n{trust}  \"book\": {book}\n}}\n"
    );
    Ok(document.into_bytes())
}

/// What these bytes are.
pub(super) fn decode<B: DeserializeOwned>(bytes: &[u8]) -> Found<B> {
    let damaged = |why: String| Found::Damaged { why };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return damaged("it isn't text".into());
    };
    match serde_json::from_str(text) {
        Ok(SchemaOnly { schema }) if schema > SCHEMA => return Found::Newer { schema },
        Ok(SchemaOnly { schema }) if schema < SCHEMA => return damaged(format!("schema {schema} never existed")),
        Ok(_) => {}
        Err(why) => return damaged(format!("it is torn or no JSON: {why}")),
    }
    let envelope: Envelope<'_> = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(why) => return damaged(format!("a part of it is missing: {why}")),
    };
    if sum(envelope.book.get().as_bytes()) != envelope.sha256 {
        return damaged("its checksum is wrong: it was edited or damaged".into());
    }
    match serde_json::from_str(envelope.book.get()) {
        Ok(book) => Found::Whole { book, generation: envelope.generation, trust: envelope.trust },
        Err(why) => Found::NotUnderstood { why: why.to_string() },
    }
}

fn sum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
