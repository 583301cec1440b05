//! How a stand-in misbehaves on demand.
//!
//! A [`Rule`] says which requests, how often, and what happens to them. Rules
//! are asked in the order in which they were added; the first that matches and
//! isn't used up strikes, one rule for a request. What it promises: each
//! strike is counted by the fault's [`label`](Fault::label), so a run can show
//! that a fault really happened.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::base::Request;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status, and nothing is done. `body: None` = the service's own
    /// way of putting such an error.
    Status {
        /// The code: 401, 404, 410, 429, 500, 503…
        code: u16,
        /// The `Retry-After` header, in seconds.
        retry_after_s: Option<u64>,
        /// The body.
        body: Option<String>,
    },
    /// A proxy's page with 200 instead of the answer; nothing is done.
    Html,
    /// Done, but the answer is cut in the middle and closed off as if whole.
    Malformed,
    /// Done, but the answer ends before its `Content-Length`.
    Truncated,
    /// Done, but the answer is 200 with no body.
    Empty,
    /// Listings lack their second half.
    HalfPages,
    /// Listings give one part twice and lack the rest.
    RepeatPage,
    /// The connection closes and nothing is done.
    DropBeforeEffect,
    /// Done, then the connection closes without an answer.
    EffectThenDrop,
    /// Done, then this status as if it had failed.
    EffectThenStatus(u16),
    /// Nothing is done and no answer ever comes.
    Hang,
    /// Done; the answer dribbles over this long.
    SlowDrip(Duration),
    /// Done after this long.
    Delay(Duration),
}

impl Fault {
    /// A plain status without body or `Retry-After`.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after_s: None, body: None }
    }

    /// 429 with `Retry-After`.
    #[must_use]
    pub fn too_many(retry_after_s: u64) -> Self {
        Self::Status { code: 429, retry_after_s: Some(retry_after_s), body: None }
    }

    /// A page for people with this status, as something in between sends it;
    /// nothing is done.
    #[must_use]
    pub fn page(code: u16) -> Self {
        let body = format!("<!DOCTYPE html><html><body><h1>{code}</h1></body></html>");
        Self::Status { code, retry_after_s: None, body: Some(body) }
    }

    /// The service's own answer of this status, with these words.
    #[must_use]
    pub fn says(code: u16, body: &str) -> Self {
        Self::Status { code, retry_after_s: None, body: Some(body.to_owned()) }
    }

    /// The name under which strikes are counted.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Status { code, retry_after_s: None, .. } => code.to_string(),
            Self::Status { code, retry_after_s: Some(_), .. } => format!("{code} retry-after"),
            Self::Html => "html".into(),
            Self::Malformed => "malformed".into(),
            Self::Truncated => "truncated".into(),
            Self::Empty => "empty".into(),
            Self::HalfPages => "half the pages".into(),
            Self::RepeatPage => "page repeated".into(),
            Self::DropBeforeEffect => "drop before effect".into(),
            Self::EffectThenDrop => "effect then drop".into(),
            Self::EffectThenStatus(code) => format!("effect then {code}"),
            Self::Hang => "hang".into(),
            Self::SlowDrip(_) => "slow drip".into(),
            Self::Delay(_) => "delay".into(),
        }
    }
}

/// How a listing is bent; handed to the stand-in, which alone knows what a
/// listing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bend {
    /// The second half is missing.
    Half,
    /// The first half comes twice, the second is missing.
    Repeat,
}

impl Bend {
    /// `rows` as this bend leaves them.
    #[must_use]
    pub fn of<T: Clone>(self, rows: &[T]) -> Vec<T> {
        let half = rows.get(..rows.len() / 2).unwrap_or_default();
        match self {
            Self::Half => half.to_vec(),
            Self::Repeat => [half, half].concat(),
        }
    }
}

/// A test of one's own on a request.
type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// Which requests a rule is about.
#[derive(Clone)]
pub enum Matching {
    /// Every request.
    All,
    /// Requests that only read.
    Reads,
    /// Requests that change something.
    Writes,
    /// The path (with query) contains this.
    PathContains(String),
    /// A change whose path contains this.
    WritesOf(String),
    /// A read whose path contains this.
    ReadsOf(String),
    /// Whatever the test says.
    Where(Predicate),
}

impl Matching {
    /// Requests for which `test` holds.
    pub fn when(test: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        Self::Where(Arc::new(test))
    }

    fn holds(&self, request: &Request) -> bool {
        let path_has = |part: &str| request.target.contains(part);
        match self {
            Self::All => true,
            Self::Reads => !request.change,
            Self::Writes => request.change,
            Self::PathContains(part) => path_has(part),
            Self::WritesOf(part) => request.change && path_has(part),
            Self::ReadsOf(part) => !request.change && path_has(part),
            Self::Where(test) => test(request),
        }
    }
}

impl fmt::Debug for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("All"),
            Self::Reads => f.write_str("Reads"),
            Self::Writes => f.write_str("Writes"),
            Self::PathContains(part) => write!(f, "PathContains({part})"),
            Self::WritesOf(part) => write!(f, "WritesOf({part})"),
            Self::ReadsOf(part) => write!(f, "ReadsOf({part})"),
            Self::Where(_) => f.write_str("Where(…)"),
        }
    }
}

/// One way of misbehaving, for some requests, so many times.
#[derive(Debug, Clone)]
pub struct Rule {
    matching: Matching,
    fault: Fault,
    skip: u64,
    /// `None` = until cleared.
    left: Option<u64>,
}

impl Rule {
    /// Every time, until cleared.
    #[must_use]
    pub fn new(matching: Matching, fault: Fault) -> Self {
        Self { matching, fault, skip: 0, left: None }
    }

    /// Only so many times.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { left: Some(times), ..self }
    }

    /// Lets the first `skip` matching requests pass.
    #[must_use]
    pub fn skip(self, skip: u64) -> Self {
        Self { skip, ..self }
    }
}

/// The faults of one stand-in; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    rules: BTreeMap<u64, Rule>,
    added: u64,
    struck: BTreeMap<String, u64>,
}

impl Faults {
    /// Adds a rule; the number removes it again.
    pub fn add(&self, rule: Rule) -> u64 {
        let mut inner = self.inner();
        inner.added += 1;
        let number = inner.added;
        inner.rules.insert(number, rule);
        number
    }

    /// The next request of this kind fails so, once.
    pub fn once(&self, matching: Matching, fault: Fault) -> u64 {
        self.add(Rule::new(matching, fault).times(1))
    }

    /// Every request of this kind fails so, until cleared.
    pub fn always(&self, matching: Matching, fault: Fault) -> u64 {
        self.add(Rule::new(matching, fault))
    }

    /// Takes one rule back.
    pub fn remove(&self, number: u64) {
        self.inner().rules.remove(&number);
    }

    /// Takes all rules back; the counts stay.
    pub fn clear(&self) {
        self.inner().rules.clear();
    }

    /// How often this fault (by label) struck.
    #[must_use]
    pub fn struck(&self, fault: &Fault) -> u64 {
        self.inner().struck.get(&fault.label()).copied().unwrap_or_default()
    }

    /// How often each fault struck, by label.
    #[must_use]
    pub fn strikes(&self) -> BTreeMap<String, u64> {
        self.inner().struck.clone()
    }

    /// Whether a limited rule still waits for its request.
    #[must_use]
    pub fn waiting(&self) -> bool {
        self.inner().rules.values().any(|rule| rule.left.is_some_and(|left| left > 0))
    }

    /// The fault for this request, if any; it counts as one use of its rule.
    /// For stand-ins that aren't built on [`base`](crate::base), too.
    #[must_use]
    pub fn strike(&self, request: &Request) -> Option<Strike> {
        let mut inner = self.inner();
        for (&number, rule) in &mut inner.rules {
            if rule.left == Some(0) || !rule.matching.holds(request) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if let Some(left) = &mut rule.left {
                *left -= 1;
            }
            let fault = rule.fault.clone();
            *inner.struck.entry(fault.label()).or_default() += 1;
            return Some(Strike { rule: number, fault });
        }
        None
    }

    /// Takes a strike back that couldn't show (bending what isn't a listing).
    pub(crate) fn refund(&self, strike: &Strike) {
        let mut inner = self.inner();
        if let Some(count) = inner.struck.get_mut(&strike.fault.label()) {
            *count -= 1;
        }
        if let Some(left) = inner.rules.get_mut(&strike.rule).and_then(|rule| rule.left.as_mut()) {
            *left += 1;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One use of one rule.
#[derive(Debug, Clone)]
pub struct Strike {
    rule: u64,
    /// What goes wrong.
    pub fault: Fault,
}
