//! Books that older versions wrote, brought to the form of today.
//!
//! New fields have defaults and changed fields read their old form where they
//! are declared (`serde`). Here stands only what a field alone can't know.

use serde_json::Value;

/// The book of an older document as this version would have written it.
pub(super) fn as_of_now(schema: u32, book: Value) -> Value {
    match schema {
        // 1 → 2: every new field has a default, and no field has another meaning.
        1 => book,
        _ => book,
    }
}
