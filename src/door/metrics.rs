//! `/metrics`: the same as `/health` and `usher stats`, for Prometheus (text
//! format 0.0.4).
//!
//! Promises: numbers only, nobody's name or address; a label's values are few
//! and known beforehand.

use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::reply::{Reply, text};
use super::webhook::Tally;
use crate::engine::desk::{Health, View};
use crate::facts::Moment;
use crate::reports::metrics::Gauge;

/// Everything that is measured.
pub fn metrics(now: Moment, view: &dyn View, tally: &Tally) -> Reply {
    let mut page = String::new();
    for gauge in of_health(&view.health(now)).iter().chain(&view.gauges(now)) {
        family(&mut page, gauge, "gauge");
    }
    if let Some(at) = tally.last_accepted() {
        let help = "When the last webhook was listened to.";
        family(&mut page, &Gauge::one("usher_webhook_last_timestamp_seconds", help, at.timestamp()), "gauge");
    }
    let accepted = Gauge::one("usher_webhooks_accepted_total", "Webhooks listened to.", tally.accepted());
    let help = "Webhooks refused, by cause.";
    let refused = Gauge::each("usher_webhooks_refused_total", help, "cause", tally.refused());
    for counter in [accepted, refused] {
        family(&mut page, &counter, "counter");
    }
    let mut reply = text(StatusCode::OK, page);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

fn of_health(health: &Health) -> Vec<Gauge> {
    let version = [(env!("CARGO_PKG_VERSION"), 1)];
    let successes = health.loops.iter().filter_map(|(name, one)| Some((*name, one.last_success?.timestamp())));
    let failures = health.loops.iter().map(|(name, one)| (*name, one.failures));
    vec![
        Gauge::each("usher_build_info", "Always 1.", "version", version),
        Gauge::one("usher_healthy", "1 while /health says 200.", u8::from(health.healthy)),
        Gauge::one("usher_problems", "Sentences that /health has for you.", health.problems.len()),
        Gauge::one("usher_dry_run", "1 in a rehearsal.", u8::from(health.mode == "dry run")),
        Gauge::one("usher_start_time_seconds", "When this process began.", health.started.timestamp()),
        Gauge::one("usher_book_generation", "How often the book was written.", health.generation),
        Gauge::one("usher_members_with_access", "Members who are in now.", health.members),
        Gauge::one("usher_holds", "What waits for the operator.", health.holds),
        Gauge::one("usher_outbox", "Notices that are not out yet.", health.outbox),
        Gauge::each(
            "usher_loop_last_success_timestamp_seconds",
            "When a loop last read its source whole.",
            "loop",
            successes,
        ),
        Gauge::each("usher_loop_failures", "Failures of a loop since its last success.", "loop", failures),
    ]
}

/// One family: what it is, then its samples. One without samples is left out.
fn family(page: &mut String, gauge: &Gauge, kind: &str) {
    if gauge.samples.is_empty() {
        return;
    }
    let Gauge { name, help, label, samples } = gauge;
    // Writing into a string can't fail.
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (of, value) in samples {
        let _ = match *label {
            "" => writeln!(page, "{name} {value}"),
            label => writeln!(page, "{name}{{{label}=\"{}\"}} {value}", escaped(of)),
        };
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_what_it_is_whatever_is_in_it() {
        let mut page = String::new();
        family(&mut page, &Gauge::each("usher_x", "X.", "of", [("a\"b\\c\nd", 1)]), "gauge");
        assert_eq!(page, "# HELP usher_x X.\n# TYPE usher_x gauge\nusher_x{of=\"a\\\"b\\\\c\\nd\"} 1\n");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut page = String::new();
        family(&mut page, &Gauge::each("usher_x", "X.", "of", Vec::<(String, u8)>::new()), "gauge");
        assert_eq!(page, "");
    }
}
