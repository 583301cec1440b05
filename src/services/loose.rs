//! Reading answers that keep no contract: ids as numbers or texts, flags as
//! booleans or digits, dates as ISO or epoch, absent or `""` for null.

use chrono::{DateTime, Datelike, NaiveDateTime};
use serde_json::Value;

use crate::facts::Moment;

/// A whole number that isn't negative, also as text.
pub fn num(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A whole number, also as text.
pub fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A text with something in it.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// `true`/`false`, 1/0, `"1"`/`"0"`, `"true"`/`"false"`.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_i64().map(|number| number != 0),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Epoch seconds or an ISO date; 0 and `""` are none, and so is what is on no
/// calendar of people: days are added to what comes from here, and years that
/// `chrono` can just hold (milliseconds taken for seconds, say) would overflow.
pub fn moment(value: &Value) -> Option<Moment> {
    let at = match int(value) {
        Some(secs) => DateTime::from_timestamp(secs, 0),
        None => written(&text(value)?),
    };
    at.filter(|at| at.timestamp() > 0 && at.year() <= 9999)
}

fn written(text: &str) -> Option<Moment> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.into());
    }
    let plain = text.trim_end_matches("UTC").trim_end();
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(plain, format).ok())
        .map(|naive| naive.and_utc())
}

/// Absent, null, or a date of zero: "not so" for `deletedAt` and its like.
pub fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => matches!(text.trim(), "" | "0"),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(flag) => !flag,
        _ => false,
    }
}

/// A list; anything else is none.
pub fn list(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spelling_is_read() {
        assert_eq!(
            (num(&json!(7)), num(&json!("7")), num(&json!(-7)), num(&json!(null))),
            (Some(7), Some(7), None, None)
        );
        assert_eq!(
            (flag(&json!("1")), flag(&json!(0)), flag(&json!("")), flag(&json!(true))),
            (Some(true), Some(false), None, Some(true))
        );
        let at = DateTime::from_timestamp(1_719_800_000, 0);
        for spelling in
            [json!(1_719_800_000), json!("1719800000"), json!("2024-07-01T02:13:20Z"), json!("2024-07-01 02:13:20 UTC")]
        {
            assert_eq!(moment(&spelling), at, "{spelling}");
        }
        assert_eq!((moment(&json!(0)), moment(&json!("0")), moment(&json!(""))), (None, None, None));
        // A zero of other languages, milliseconds, and the end of the calendar.
        for nonsense in [json!("0001-01-01T00:00:00Z"), json!(1_719_800_000_000_i64), json!(8_210_266_876_799_i64)] {
            assert_eq!(moment(&nonsense), None, "{nonsense}");
        }
        for huge in [json!("+262142-12-31T23:59:59"), json!(i64::MAX), json!(-5), json!(u64::MAX)] {
            assert_eq!(moment(&huge), None, "{huge}");
        }
        assert!(is_unset(&json!(null)) && is_unset(&json!("")) && !is_unset(&json!("2024-07-01T02:13:20Z")));
    }
}
