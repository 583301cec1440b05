//! What strangers may post: so often an address, and so often all together.
//!
//! Promises: an address is limited whatever it sends; a forged
//! `X-Forwarded-For` is believed only from the proxies that the operator
//! trusts; memory is bounded by the limit on all together. Never asked about
//! the signed webhook.
//!
//! Known limit: strangers enough can use up what all together may post; then
//! the others wait, too. Nobody's access hangs on a page.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::TimeDelta;
use hyper::HeaderMap;

use crate::facts::Moment;
use crate::limits::{STRANGER_POSTS_PER_HOUR, STRANGER_POSTS_PER_MINUTE, STRANGERS_POSTS_PER_HOUR};

/// Whether an address is a proxy's whose `X-Forwarded-For` counts.
pub type Trusted = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Who has posted lately. Cheap to clone.
#[derive(Clone)]
pub struct Strangers {
    trusted: Trusted,
    /// The posts let through in the last hour, oldest first: never more than
    /// all together may send.
    posts: Arc<Mutex<VecDeque<(Moment, IpAddr)>>>,
    /// A proxy that isn't trusted was told of.
    told: Arc<AtomicBool>,
}

impl Strangers {
    /// Nobody has posted yet.
    #[must_use]
    pub fn new(trusted: Trusted) -> Self {
        Self { trusted, posts: Arc::default(), told: Arc::default() }
    }

    /// Counts a post of this address at `now`.
    ///
    /// # Errors
    /// It is one too many: the seconds after which another is let through.
    pub fn let_through(&self, now: Moment, from: IpAddr) -> Result<(), u64> {
        let from = household(from);
        let mut posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back leaves posts in the future: they say nothing.
        posts.retain(|(at, _)| (TimeDelta::zero()..TimeDelta::hours(1)).contains(&(now - *at)));
        let theirs: Vec<Moment> = posts.iter().filter(|(_, who)| *who == from).map(|(at, _)| *at).collect();
        let everybodys = posts.iter().map(|(at, _)| *at);
        let waits = [
            wait(now, TimeDelta::minutes(1), STRANGER_POSTS_PER_MINUTE, theirs.iter().copied()),
            wait(now, TimeDelta::hours(1), STRANGER_POSTS_PER_HOUR, theirs.iter().copied()),
            wait(now, TimeDelta::hours(1), STRANGERS_POSTS_PER_HOUR, everybodys),
        ];
        match waits.into_iter().flatten().max() {
            Some(secs) => Err(secs),
            None => {
                posts.push_back((now, from));
                Ok(())
            }
        }
    }

    /// Who is asking: the peer, or whom a trusted proxy names. Read from the
    /// right, where each proxy appends; what stands left of the first address
    /// that isn't a trusted proxy is the stranger's own writing.
    #[must_use]
    pub fn who(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut known = peer.to_canonical();
        let unheard = headers.contains_key("x-forwarded-for") && !(self.trusted)(known);
        if unheard && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a request came with X-Forwarded-For from an address that is not in TRUSTED_PROXIES; if that is your \
                 proxy, name it there, or everybody shares one limit"
            );
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let named = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for named in named {
            if !(self.trusted)(known) {
                break;
            }
            let Some(address) = address(named) else { break };
            known = address;
        }
        known
    }
}

/// Seconds until fewer than `max` of these lie within `span`; `None` when it
/// is so already.
fn wait(now: Moment, span: TimeDelta, max: u32, posts: impl DoubleEndedIterator<Item = Moment>) -> Option<u64> {
    let nth_latest = posts.rev().filter(|at| now - *at < span).nth(max.saturating_sub(1) as usize)?;
    Some(u64::try_from((nth_latest + span - now).num_seconds()).unwrap_or(0).max(1))
}

/// A household has one IPv4 address, or 2^64 of IPv6 (RFC 6177).
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.split_once(']')).map_or(text, |(address, _)| address);
    let with_port = || bare.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers(trusted: &'static [&'static str]) -> Strangers {
        Strangers::new(Arc::new(move |address| trusted.contains(&address.to_string().as_str())))
    }

    fn at(secs: i64) -> Moment {
        Moment::from_timestamp(1_700_000_000 + secs, 0).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_posts_five_times_a_minute_and_ten_an_hour() {
        let strangers = strangers(&[]);
        let posts = |from: &str, times: std::ops::Range<i64>| {
            times.map(|secs| strangers.let_through(at(secs), ip(from)).is_ok()).filter(|through| *through).count()
        };
        assert_eq!(posts("203.0.113.7", 0..30), 5, "in one minute");
        assert_eq!(strangers.let_through(at(30), ip("203.0.113.7")), Err(30));
        assert_eq!(posts("203.0.113.7", 60..3600), 5, "in the rest of the hour");
        assert_eq!(posts("203.0.113.8", 0..1), 1, "somebody else");
        assert_eq!(posts("203.0.113.7", 3600..3601), 1, "an hour after the first");
    }

    #[test]
    fn all_together_are_limited_too_and_so_is_what_is_remembered() {
        let strangers = strangers(&[]);
        let through = (0..2000u32).filter(|n| strangers.let_through(at(0), IpAddr::V4((*n).into())).is_ok()).count();
        assert_eq!(through, STRANGERS_POSTS_PER_HOUR as usize);
        assert_eq!(strangers.posts.lock().unwrap().len(), through);
        assert!(strangers.let_through(at(3600), ip("203.0.113.7")).is_ok());
        assert_eq!(strangers.posts.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_household_with_ipv6_is_one_address() {
        let strangers = strangers(&[]);
        let from = |n: u16| ip(&format!("2001:db8:1:2::{n:x}"));
        assert_eq!((0..100).filter(|n| strangers.let_through(at(0), from(*n)).is_ok()).count(), 5);
        assert!(strangers.let_through(at(0), ip("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out() {
        let strangers = strangers(&[]);
        for _ in 0..5 {
            strangers.let_through(at(90_000), ip("203.0.113.7")).unwrap();
        }
        assert!(strangers.let_through(at(0), ip("203.0.113.7")).is_ok());
    }

    #[test]
    fn only_a_trusted_proxy_names_somebody_else() {
        let behind = strangers(&["10.0.0.1", "10.0.0.2"]);
        for (peer, forwarded, who) in [
            ("203.0.113.7", &["198.51.100.9"][..], "203.0.113.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.9"], "198.51.100.9"),
            ("10.0.0.1", &["192.0.2.1, 198.51.100.9"], "198.51.100.9"),
            ("10.0.0.1", &["192.0.2.1, 198.51.100.9, 10.0.0.2"], "198.51.100.9"),
            ("10.0.0.1", &["192.0.2.1", "198.51.100.9"], "198.51.100.9"),
            ("10.0.0.1", &["10.0.0.2, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.9:4711"], "198.51.100.9"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            assert_eq!(behind.who(ip(peer), &headers), ip(who), "{peer} {forwarded:?}");
        }
    }
}
