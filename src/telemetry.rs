//! Log lines: where they go, what time they carry, who may speak.
//!
//! Promises: time comes from our clock (virtual time in tests), in UTC to the
//! second; our own crates speak at `LOG_LEVEL`, dependencies only to warn;
//! calling it twice is harmless. Lines go to stderr, so that a command's
//! output stays clean.

use std::io;

use chrono::SecondsFormat;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, format::Writer, time::FormatTime},
    util::SubscriberInitExt,
};

use crate::clock::Clock;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends log lines to stderr from now on. The first call counts; a later one
/// (tests start many daemons) changes nothing.
pub fn init(level: &str, format: Format, clock: Clock) {
    // The only error is that somebody was first.
    let _ = subscriber(level, format, clock, io::stderr).try_init();
}

/// What `init` installs, writing elsewhere.
pub fn subscriber<W>(level: &str, format: Format, clock: Clock, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // No colours: the `ansi` feature isn't even compiled in.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_timer(ClockTime(clock))
        .with_writer(writer)
        .with_target(false);
    match format {
        Format::Text => Box::new(lines.finish()),
        Format::Json => Box::new(lines.json().flatten_event(true).with_current_span(false).finish()),
    }
}

/// Config has refused unknown levels already; should one come through, `info`.
fn filter(level: &str) -> EnvFilter {
    let level = match level {
        known @ ("off" | "error" | "warn" | "info" | "debug" | "trace") => known,
        _ => "info",
    };
    EnvFilter::new(format!("warn,usher={level},sandbox={level}"))
}

struct ClockTime(Clock);

impl FormatTime for ClockTime {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        w.write_str(&self.0.now().to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::facts::Moment;

    fn clock() -> Clock {
        Clock::from_fn(|| Moment::from_timestamp(1_800_000_000, 500_000_000).unwrap())
    }

    fn lines(level: &str, format: Format, speak: impl FnOnce()) -> String {
        let written = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&written);
        let writer = move || Shared(Arc::clone(&to));
        tracing::subscriber::with_default(subscriber(level, format, clock(), writer), speak);
        String::from_utf8(written.lock().unwrap().clone()).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_carries_our_clocks_time_and_its_fields() {
        let text = lines("info", Format::Text, || tracing::info!(member = "m-1", "invited"));
        assert_eq!(text, "2027-01-15T08:00:00Z  INFO invited member=\"m-1\"\n");
    }

    #[test]
    fn json_lines_are_one_object_each() {
        let text = lines("info", Format::Json, || tracing::info!(member = "m-1", "invited"));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["timestamp"], "2027-01-15T08:00:00Z");
        assert_eq!(line["message"], "invited");
        assert_eq!(line["member"], "m-1");
    }

    #[test]
    fn dependencies_only_warn_and_we_obey_the_level() {
        let text = lines("debug", Format::Text, || {
            tracing::info!(target: "hyper", "chatter");
            tracing::warn!(target: "hyper", "trouble");
            tracing::debug!("ours");
            tracing::trace!("too much");
        });
        assert!(text.contains("trouble") && text.contains("ours"));
        assert!(!text.contains("chatter") && !text.contains("too much"));
    }

    #[test]
    fn starting_twice_or_with_a_strange_level_is_harmless() {
        init("info", Format::Text, clock());
        init("loud,=,", Format::Json, clock());
    }
}
