//! The document: `{schema, generation, sha256, book}` as pretty JSON. The sum
//! is over the book's bytes exactly as they stand in the file, so a torn or
//! edited file can't pass for a whole one.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Generation, StoreError, Trust, older};
use crate::hex::hex;

/// The newest document that this version reads, and the one it writes. Older
/// ones are read as well ([`older`]).
pub(super) const SCHEMA: u32 = 2;
/// There was none before this.
const SCHEMA_FIRST: u32 = 1;

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

/// Stands where the sum will, which is known last.
const NO_SUM: [u8; 64] = [b'0'; 64];

/// The bytes of a file that holds `book`.
pub(super) fn encode<B: Serialize>(book: &B, generation: Generation, trust: &Trust) -> Result<Vec<u8>, StoreError> {
    let not_json = |why: serde_json::Error| StoreError::NotJson { why: why.to_string() };
    let trust = match trust {
        Trust::Sound => String::new(),
        doubt => format!("  \"trust\": {},\n", serde_json::to_string(doubt).map_err(not_json)?),
    };
    let mut bytes =
        format!("{{\n  \"schema\": {SCHEMA},\n  \"generation\": {generation},\n  \"sha256\": \"").into_bytes();
    let sum_at = bytes.len();
    bytes.extend(NO_SUM);
    bytes.extend(format!("\",\n{trust}  \"book\": ").into_bytes());
    let book_at = bytes.len();
    // As the only thing in a list it is indented as it stands in the document. The
    // book is large and this is done at every commit: it is written once.
    serde_json::to_writer_pretty(&mut bytes, &[book]).map_err(not_json)?;
    bytes.drain(book_at..book_at + LIST_OPENED.len());
    bytes.truncate(bytes.len() - LIST_CLOSED.len());
    let sum = sum(bytes.get(book_at..).unwrap_or_default());
    bytes.splice(sum_at..sum_at + NO_SUM.len(), sum.into_bytes());
    bytes.extend(b"\n}\n");
    Ok(bytes)
}

/// What a list of one thing is written between.
const LIST_OPENED: &str = "[\n  ";
const LIST_CLOSED: &str = "\n]";

/// What these bytes are.
pub(super) fn decode<B: DeserializeOwned>(bytes: &[u8]) -> Found<B> {
    let damaged = |why: String| Found::Damaged { why };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return damaged("it isn't text".into());
    };
    let schema = match serde_json::from_str(text) {
        Ok(SchemaOnly { schema }) if schema > SCHEMA => return Found::Newer { schema },
        Ok(SchemaOnly { schema }) if schema < SCHEMA_FIRST => return damaged(format!("schema {schema} never existed")),
        Ok(SchemaOnly { schema }) => schema,
        Err(why) => return damaged(format!("it is torn or no JSON: {why}")),
    };
    let envelope: Envelope<'_> = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(why) => return damaged(format!("a part of it is missing: {why}")),
    };
    if sum(envelope.book.get().as_bytes()) != envelope.sha256 {
        return damaged("its checksum is wrong: it was edited or damaged".into());
    }
    let book = if schema < SCHEMA {
        serde_json::from_str(envelope.book.get())
            .and_then(|book| serde_json::from_value(older::as_of_now(schema, book)))
    } else {
        serde_json::from_str(envelope.book.get())
    };
    match book {
        Ok(book) => Found::Whole { book, generation: envelope.generation, trust: envelope.trust },
        Err(why) => Found::NotUnderstood { why: why.to_string() },
    }
}

/// The schema of a document that an older version wrote; `None` for others.
pub(super) fn older_schema(bytes: &[u8]) -> Option<u32> {
    let SchemaOnly { schema } = serde_json::from_slice(bytes).ok()?;
    (schema < SCHEMA).then_some(schema)
}

fn sum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_indented_as_a_whole_and_its_sum_is_over_the_book_as_it_stands() {
        let doubt = Trust::Older { history_generation: 9 };
        for (trust, said) in [(Trust::Sound, ""), (doubt, "  \"trust\": {\"older\":{\"history_generation\":9}},\n")] {
            let bytes = encode(&serde_json::json!({ "a": ["x\ny"] }), 7, &trust).unwrap();
            let book = "{\n    \"a\": [\n      \"x\\ny\"\n    ]\n  }";
            let sum = sum(book.as_bytes());
            let head = format!("{{\n  \"schema\": {SCHEMA},\n  \"generation\": 7,\n  \"sha256\": \"{sum}\",\n{said}");
            assert_eq!(String::from_utf8(bytes.clone()).unwrap(), format!("{head}  \"book\": {book}\n}}\n"));
            let Found::Whole { generation, .. } = decode::<serde_json::Value>(&bytes) else { panic!("not whole") };
            assert_eq!(generation, 7);
        }
    }
}
