//! Every bound in one place, each with the sum that justifies it. Bounds that
//! depend on each other are compared at compile time at the end of the file.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const MINUTE: u64 = 60;

// ---- The door (DESIGN §10) ----

/// Connections at once. Each costs at most a head, a body and hyper's own
/// buffers: 512 × (16 + 256 + ~16) KiB ≈ 144 MiB in the worst case, which only
/// a flood of slow strangers reaches, and for 5 s. Below the usual 1024 open
/// files that a container gets.
pub const CONNECTIONS_MAX: usize = 512;
/// A request's head. Stripe's is about 1 KiB, a browser's with cookies 4.
pub const HEAD_BYTES_MAX: usize = 16 * KIB;
/// For the head to arrive, and for an idle connection; hyper has one timer for
/// both. A slow phone needs 2 s.
pub const HEAD_OR_IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// A request's body. Stripe's largest events (an invoice with many lines) stay
/// below 100 KiB; forms are below 1.
pub const BODY_BYTES_MAX: usize = 256 * KIB;
/// For the whole body to arrive. Stripe gives up on an endpoint after 10 s, so
/// head and body together stay within that.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Answers to requests with an `Idempotency-Key` that are remembered: a key's
/// digest and at most some 2 KiB (a page's address at Stripe), so 2 MiB.
pub const ANSWERS_KEPT_MAX: usize = 1000;
/// For so long: as Stripe itself remembers a key.
pub const ANSWERS_KEPT_HOURS: i64 = 24;
/// What one address may post (join, redeem, billing) in a minute.
pub const STRANGER_POSTS_PER_MINUTE: u32 = 5;
/// And in an hour: a household trying out codes, not a guesser.
pub const STRANGER_POSTS_PER_HOUR: u32 = 10;
/// What all strangers together may post in an hour: each costs a call to
/// Stripe (25 a second in test mode), so even a botnet is a trickle there. It
/// is all that is remembered of them, too: 300 × 32 bytes, 10 KiB.
pub const STRANGERS_POSTS_PER_HOUR: u32 = 300;
/// For a sign-in's calls to plex.tv, waiting for a turn included: nobody looks
/// at a page that loads for longer. Strangers have their turn last, so what an
/// act may wait for is the one call that is under way.
pub const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(5);
/// A sign-in is taken up within this; plex.tv's own limit is the same.
pub const SIGN_IN_SECS_MAX: u64 = 30 * MINUTE;
/// How far a webhook's timestamp may be from now; Stripe's own libraries use
/// the same.
pub const SIGNATURE_TOLERANCE_SECS: i64 = 300;

// ---- Calls to services (DESIGN §3, services/http.rs) ----

/// An answer. The largest honest one is Tautulli's user table or Stripe's page
/// of 100 subscriptions with expansions: 100 × ~15 KiB = 1.5 MiB; ten times that.
pub const ANSWER_BYTES_MAX: usize = 16 * MIB;
/// Of an error answer only what a sentence can use.
pub const ERROR_ANSWER_BYTES_MAX: usize = 4 * KIB;
/// To connect, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One call to a service, whole. plex.tv answers in below 2 s or not at all
/// (python-plexapi waits as long as this); Stripe's listings with expansions
/// take up to 10; a locked Tautulli tries for 5, and its history of years is
/// read on a NAS; Discord is quick.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Deleting somebody in Tautulli ends with a VACUUM of its whole database.
pub const TAUTULLI_DELETE_TIMEOUT: Duration = Duration::from_secs(2 * MINUTE);
/// A whole reading. 10,000 subscriptions are 100 pages of ~1 s; thrice that,
/// and it must end before a reading counts as stale (10 min, RULES R9.2).
pub const READING_TIMEOUT: Duration = Duration::from_secs(5 * MINUTE);
/// Between two writes at plex.tv, which locks accounts that hurry.
pub const PLEX_WRITE_SPACING: Duration = Duration::from_secs(1);
/// plex.tv's first rest after a 429 that doesn't say how long (facts/plex.md:
/// "wait ≥60 s, double").
pub const PLEX_REST: Duration = Duration::from_secs(MINUTE);
/// Stripe's. Its own libraries try again within seconds.
pub const STRIPE_REST: Duration = Duration::from_secs(10);
/// Pages of one listing: 100 entries each at Stripe, so 50,000 subscriptions.
/// More means that the cursor runs in a circle, and the reading is `Unread`.
pub const PAGES_MAX: usize = 500;
/// Foreign text (names, titles, error sentences) is cut to this many
/// characters before it is kept: Plex and Stripe names stay below 100, and
/// nothing of a stranger's choosing may fill the book or an embed.
pub const TEXT_CHARS_MAX: usize = 200;
/// Longer than any name at Plex.
pub const PLEX_NAME_CHARS_MAX: usize = 100;
/// An email address as SMTP allows it (64 + 1 + 255 would be 320; a path is
/// limited to 256 with its brackets: RFC 5321 §4.5.3.1.3).
pub const EMAIL_CHARS_MAX: usize = 254;

// ---- The engine ----

/// Customers that webhooks have named and billing has not looked at yet. When
/// more come (a month's first minute), the full poll is cheaper than that many
/// looks: 100 looks ≈ 30 s, a poll of 1,000 subscriptions 10 pages ≈ 10 s. The
/// hints are dropped then and the poll starts at once.
pub const HINTS_MAX: usize = 100;
/// Outcomes that may be on their way at once: one act, one letter a channel,
/// and for each of the five loops one report.
const OUTCOMES_MAX: usize = 1 + 2 + 5;
/// The engine's queue of asks and outcomes. Each connection waits for its ask
/// before it sends another, so there are never more asks than connections, and
/// an outcome never waits behind a full queue. Readings have slots of their own.
pub const MAILBOX_CAPACITY: usize = CONNECTIONS_MAX + OUTCOMES_MAX;
/// For the one call in flight when asked to stop (DESIGN §6). Docker kills
/// after 10 s unless told otherwise, so a commit still fits.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// What Docker leaves between SIGTERM and SIGKILL by default.
const DOCKER_STOP_TIMEOUT: Duration = Duration::from_secs(10);

// ---- Letters and notices ----

/// A letter that can't be delivered for so long is told to the operator (RULES
/// R10), and tried on.
pub const UNDELIVERED_TOLD_DAYS: i64 = 7;
/// A notice that is done stays in the book (so that it can't be owed twice)
/// longer than the longest time after which the same occasion can come up
/// again: a paused, resumed and again failing quarter's invoice.
pub const NOTICE_KEPT_DAYS: i64 = 120;
/// Spans in which one person could not be seen, kept apart. A library that
/// comes and goes makes one a time; once a month, that is two years.
pub const UNSEEN_SPANS_MAX: usize = 24;
/// Journal entries of one member in the book; the rest is in history.jsonl. A
/// busy member makes ~2 a month, so four years; 1,000 members × 100 × 200
/// bytes = 20 MB at the very worst, ~2 MB in practice.
pub const JOURNAL_PER_MEMBER_MAX: usize = 100;

/// Lines in a part of the operator's digest; the rest is a number, and a
/// command that lists them. Nine parts of eight lines of some 80 characters are
/// 5,760 of the 6,000 that Discord takes, and fit a screen or two of a mail.
pub const DIGEST_LINES_MAX: usize = 8;
/// A line of it is cut to so many characters: on two lines of a phone.
pub const DIGEST_LINE_CHARS_MAX: usize = 120;
/// Names in one line of it.
pub const DIGEST_NAMES_MAX: usize = 8;

/// To connect to the mail server.
pub const SMTP_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the greeting and for each command's answer (facts/smtp.md §2: 30–60 s
/// are fine for a daemon).
pub const SMTP_STEP_TIMEOUT: Duration = Duration::from_secs(MINUTE);
/// For the answer to the final dot. Long, since giving up there is the one
/// step that leaves it unknown whether the letter went out.
pub const SMTP_FINAL_DOT_TIMEOUT: Duration = Duration::from_secs(5 * MINUTE);
/// Messages over one connection; providers cut between 20 and 50.
pub const SMTP_MESSAGES_PER_CONNECTION: usize = 20;

/// Discord's own limits (facts/discord.md §2), in UTF-16 units.
pub mod embed {
    /// An embed's title.
    pub const TITLE_MAX: usize = 256;
    /// An embed's description.
    pub const DESCRIPTION_MAX: usize = 4096;
    /// Fields of an embed.
    pub const FIELDS_MAX: usize = 25;
    /// A field's name.
    pub const FIELD_NAME_MAX: usize = 256;
    /// A field's value.
    pub const FIELD_VALUE_MAX: usize = 1024;
    /// The footer: ours; theirs is 2048.
    pub const FOOTER_MAX: usize = 300;
    /// All texts of all embeds of a message together.
    pub const TOTAL_MAX: usize = 6000;
}

// ---- The book's folder ----

/// A history file is set aside at this size. A line is ~200 bytes, so 40,000
/// changes: years for most servers.
pub const HISTORY_BYTES_MAX: u64 = 8 * MIB as u64;
/// Older history files kept beside the present one: 48 MiB in all.
pub const HISTORY_FILES_KEPT: usize = 5;
/// Lines shown of what an old book has forgotten; a list for a person.
pub const FORGOTTEN_LINES_MAX: usize = 200;
/// Backups of the latest commits.
pub const BACKUPS_RECENT: usize = 10;
/// And the last one of each of as many days: a fault that writes rubbish for
/// a week is noticed (the digest is weekly) while good copies still exist (G27).
pub const BACKUPS_DAILY: usize = 14;
/// Between two backups, so that ten busy seconds don't push out everything:
/// the recent ten reach back at least 100 minutes.
pub const BACKUP_SPACING: Duration = Duration::from_secs(10 * MINUTE);

// ---- Held against each other ----

const _: () = assert!(MAILBOX_CAPACITY > CONNECTIONS_MAX, "an outcome must find room behind every ask");
const _: () = assert!(CONNECTIONS_MAX < 1000, "sockets, the book and the log share 1024 open files");
const _: () = assert!(HEAD_BYTES_MAX < BODY_BYTES_MAX);
const _: () = assert!(CONNECTIONS_MAX * (HEAD_BYTES_MAX + BODY_BYTES_MAX) <= 160 * MIB, "a flood must fit in memory");
const _: () =
    assert!(HEAD_OR_IDLE_TIMEOUT.as_secs() + BODY_TIMEOUT.as_secs() <= 10, "Stripe gives up on an endpoint after 10 s");
const _: () = assert!(ERROR_ANSWER_BYTES_MAX < ANSWER_BYTES_MAX);
const _: () = assert!(STRANGER_POSTS_PER_MINUTE < STRANGER_POSTS_PER_HOUR);
const _: () = assert!(STRANGER_POSTS_PER_HOUR < STRANGERS_POSTS_PER_HOUR, "one address isn't everybody");
const _: () = assert!(
    STRANGERS_POSTS_PER_HOUR as u64 * SIGN_IN_TIMEOUT.as_secs() <= 30 * MINUTE,
    "at their worst, strangers leave acts and loops half of plex.tv's hour"
);
const _: () = assert!(
    SIGN_IN_TIMEOUT.as_secs() + PLEX_WRITE_SPACING.as_secs() < CALL_TIMEOUT.as_secs(),
    "a stranger keeps an act waiting for less than plex.tv itself may"
);
const _: () = assert!(CONNECT_TIMEOUT.as_secs() < CALL_TIMEOUT.as_secs());
const _: () = assert!(CALL_TIMEOUT.as_secs() < READING_TIMEOUT.as_secs(), "one call must fit into a reading");
const _: () = assert!(READING_TIMEOUT.as_secs() < 10 * MINUTE, "a reading is stale after 10 min (R9.2)");
const _: () = assert!(
    SHUTDOWN_GRACE.as_secs() * 2 <= DOCKER_STOP_TIMEOUT.as_secs(),
    "a commit must fit between the grace and Docker's kill"
);
const _: () = assert!(SMTP_STEP_TIMEOUT.as_secs() < SMTP_FINAL_DOT_TIMEOUT.as_secs());
const _: () = assert!(UNDELIVERED_TOLD_DAYS < NOTICE_KEPT_DAYS, "a notice is not forgotten before it is told");
const _: () = assert!(TEXT_CHARS_MAX <= embed::TITLE_MAX && TEXT_CHARS_MAX <= embed::FIELD_NAME_MAX);
const _: () = assert!(TEXT_CHARS_MAX < embed::FIELD_VALUE_MAX);
const _: () = assert!(
    embed::TITLE_MAX + embed::DESCRIPTION_MAX + embed::FOOTER_MAX < embed::TOTAL_MAX,
    "the parts that are never dropped must fit"
);
const _: () = assert!(BACKUPS_RECENT > 0 && BACKUPS_DAILY > 7, "longer than the weekly digest");
const _: () = assert!(HISTORY_FILES_KEPT > 0);
const _: () = assert!(
    DIGEST_LINES_MAX * DIGEST_LINE_CHARS_MAX < embed::FIELD_VALUE_MAX,
    "a part of the digest is one field of an embed"
);
