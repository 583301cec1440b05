//! The signature of Stripe's webhooks. Pure.
//!
//! Promises: only a body signed with one of our secrets, over the raw bytes,
//! at most five minutes ago passes. Never compares in variable time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::facts::Moment;
use crate::limits::SIGNATURE_TOLERANCE_SECS;
use crate::secret::Secret;

/// Stripe's own libraries don't limit this at all. An hour leaves room for our
/// clock being behind (the clock brake sees that first), and still bounds how
/// long a stolen request stays good.
pub const FUTURE_SECS_MAX: i64 = 3600;

/// Why a signature didn't pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No `Stripe-Signature` header.
    Missing,
    /// Not `name=value,…`, or no whole number as `t`.
    Malformed,
    /// No `v1` in hexadecimal.
    NoSignature,
    /// Signed more than five minutes ago: a replay.
    Stale,
    /// Signed more than an hour from now.
    Future,
    /// None of the signatures was made with one of our secrets over this body.
    Forged,
}

/// Checks a `Stripe-Signature` header (facts/stripe.md §8).
///
/// # Errors
/// The first [`Refusal`] that applies.
pub fn verify(header: Option<&str>, body: &[u8], secrets: &[Secret], now: Moment) -> Result<(), Refusal> {
    let signed = parse(header.ok_or(Refusal::Missing)?)?;
    let age_secs = now.timestamp().saturating_sub(signed.at_epoch_secs);
    if age_secs > SIGNATURE_TOLERANCE_SECS {
        return Err(Refusal::Stale);
    }
    if age_secs < -FUTURE_SECS_MAX {
        return Err(Refusal::Future);
    }
    let mut matches = subtle::Choice::from(0);
    for secret in secrets {
        let Some(expected) = sign(secret, signed.at_epoch_secs, body) else { continue };
        for signature in &signed.signatures {
            matches |= expected.as_slice().ct_eq(signature);
        }
    }
    if matches.into() { Ok(()) } else { Err(Refusal::Forged) }
}

struct Signed {
    at_epoch_secs: i64,
    signatures: Vec<Vec<u8>>,
}

fn parse(header: &str) -> Result<Signed, Refusal> {
    let mut at_epoch_secs = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        let (name, value) = part.split_once('=').ok_or(Refusal::Malformed)?;
        if value.contains('=') {
            return Err(Refusal::Malformed);
        }
        match name {
            "t" => at_epoch_secs = Some(value.parse::<i64>().map_err(|_| Refusal::Malformed)?),
            // A signature in a form that we don't read can't be ours.
            "v1" => signatures.extend(unhex(value)),
            _ => {}
        }
    }
    let at_epoch_secs = at_epoch_secs.ok_or(Refusal::Malformed)?;
    if signatures.is_empty() { Err(Refusal::NoSignature) } else { Ok(Signed { at_epoch_secs, signatures }) }
}

/// The whole secret is the key, its `whsec_` included. `None` never happens:
/// HMAC takes keys of any length.
fn sign(secret: &Secret, at_epoch_secs: i64, body: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(format!("{at_epoch_secs}.").as_bytes());
    mac.update(body);
    Some(mac.finalize().into_bytes().to_vec())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(high)? << 4 | digit(low)?) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_000;
    const S1: &str = "whsec_FactSheetAlpha0001";
    const S2: &str = "whsec_FactSheetBravo0002";
    const B1: &str = r#"{"id":"evt_A1","object":"event","type":"invoice.paid"}"#;
    const B2: &str = "{\n  \"id\": \"evt_A2\",\n  \"name\": \"Zo\u{eb} \u{2013} \u{2615}\"\n}";
    const H11: &str = "02abec381b0316025ae82bba8a52b3c278bb8446c0e271c1e117c35b6539840a";
    const H21: &str = "c19b097137e2006bbc6bd65161d5ec8c3a69d3f8eaf63d17079cdd95398f54a5";
    const H12: &str = "9fe5ca9313f3df0bf459b8e21cc58e57a17a101e28915cf3af93ad762daa93fa";
    const H13: &str = "38eba3e089ed4cda4bd69731c98a1b791bd2369e79a6c3fabaaa76d33df31249";
    const H1O: &str = "a41258cb8765e4ad8b1a4ee0e5ef7b52f907ff053abd246e347b8e435c3db66c";
    const H1P: &str = "1b43dabdc8f10232dd556b194c371455a8e56000710cf450df6baa5b6623059b";
    const H1F: &str = "3f85313dbea3aea2d2d8eae005ab931c44dff0a98e2fb6fcf558c4ccfd8d222e";
    const HX: &str = "49eb926f6ccbb98ad46d69cd314f06025103173171d9198b7f6509a1ebf91e2c";
    const HE: &str = "05d37f0c99338318b751f58c8aad634180fb2e0ddb8d61f0b303d369414019d7";

    fn check(row: &str, secrets: &[&str], body: &str, header: &str, expected: Result<(), Refusal>) {
        let secrets: Vec<Secret> = secrets.iter().copied().map(Secret::new).collect();
        let now = Moment::from_timestamp(T, 0).unwrap();
        assert_eq!(verify(Some(header), body.as_bytes(), &secrets, now), expected, "row {row}: {header}");
    }

    #[test]
    fn every_row_of_the_vector_table_holds() {
        let forged = Err(Refusal::Forged);
        let at = |t: i64, rest: &str| format!("t={t},{rest}");
        let v1 = |signature: &str| at(T, &format!("v1={signature}"));
        let b3 = format!("{B1}\n");
        check("1", &[S1], B1, &v1(H11), Ok(()));
        check("2", &[S1], B2, &v1(H12), Ok(()));
        check("3", &[S1], &b3, &v1(H11), forged);
        check("3 with H13", &[S1], &b3, &v1(H13), Ok(()));
        check("4", &[S1], B1, &v1(H21), forged);
        check("5", &[S1], B1, &at(T, &format!("v1={H21},v1={H11}")), Ok(()));
        check("6", &[S1, S2], B1, &v1(H21), Ok(()));
        check("7", &[S1], B1, &at(T, &format!("v0={H11}")), Err(Refusal::NoSignature));
        check("8", &[S1], B1, &at(T - 301, &format!("v1={H1O}")), Err(Refusal::Stale));
        check("9", &[S1], B1, &at(T - 300, &format!("v1={H1P}")), Ok(()));
        check("10", &[S1], B1, &at(T + 1, &format!("v1={H11}")), forged);
        check("11", &[S1], B1, &at(T, &format!("v1=zzzz,v1={H11}")), Ok(()));
        for header in [format!("v1={H11}"), format!("t=,v1={H11}"), format!("t=x,v1={H11}"), String::new()] {
            check("12", &[S1], B1, &header, Err(Refusal::Malformed));
        }
        check("12", &[S1], B1, "t=1700000000", Err(Refusal::NoSignature));
        check("12", &[S1], B1, "t=1700000000,v1", Err(Refusal::Malformed));
        check("13", &[S1], B1, &v1(HX), forged);
        check("14", &[S1], B1, &at(T + 301, &format!("v1={H1F}")), Ok(()));
        check("15", &[S1], "", &v1(HE), Ok(()));
        check("16", &[S1], B1, &v1(&H11[..63]), forged_or_none());
    }

    /// 63 digits aren't bytes, so nothing is left to compare.
    fn forged_or_none() -> Result<(), Refusal> {
        Err(Refusal::NoSignature)
    }

    #[test]
    fn without_a_secret_or_a_header_nothing_passes() {
        let header = format!("t={T},v1={H11}");
        check("no secret", &[], B1, &header, Err(Refusal::Forged));
        let now = Moment::from_timestamp(T, 0).unwrap();
        assert_eq!(verify(None, B1.as_bytes(), &[Secret::new(S1)], now), Err(Refusal::Missing));
    }

    #[test]
    fn a_signature_from_far_ahead_is_refused() {
        let header = format!("t={},v1={H11}", T + FUTURE_SECS_MAX + 1);
        check("far future", &[S1], B1, &header, Err(Refusal::Future));
        check("overflow", &[S1], B1, &format!("t={},v1={H11}", i64::MIN), Err(Refusal::Stale));
        check("two equals", &[S1], B1, &format!("t={T},v1={H11}="), Err(Refusal::Malformed));
    }
}
