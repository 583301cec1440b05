//! From one variable's text to a value, or to a sentence saying what is wrong.

use std::{fmt, net::IpAddr, ops::RangeInclusive};

use crate::facts::Email;

/// One thing wrong with the configuration, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}; {fix}")]
pub struct ConfigProblem {
    /// The variable's name.
    pub variable: String,
    /// What is wrong, without any secret.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl ConfigProblem {
    pub(super) fn new(variable: impl Into<String>, complaint: Complaint) -> Self {
        Self { variable: variable.into(), problem: complaint.problem, fix: complaint.fix }
    }
}

/// A [`ConfigProblem`] that doesn't know yet whose it is.
#[derive(Debug)]
pub(super) struct Complaint {
    problem: String,
    fix: String,
}

impl Complaint {
    pub(super) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }
}

pub(super) type Parsed<T> = Result<T, Complaint>;

/// A variable: its name, and its text when set.
#[derive(Clone, Copy)]
pub(super) struct Var<'a> {
    pub(super) name: &'static str,
    pub(super) text: Option<&'a str>,
}

impl Var<'_> {
    pub(super) fn is_set(self) -> bool {
        self.text.is_some()
    }
}

/// Where problems gather, so that all are told at once.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<ConfigProblem>);

impl Problems {
    pub(super) fn tell(&mut self, var: Var<'_>, problem: impl Into<String>, fix: impl Into<String>) {
        self.0.push(ConfigProblem::new(var.name, Complaint::new(problem, fix)));
    }

    /// The value when set and well-formed; a malformed one becomes a problem.
    pub(super) fn read<T>(&mut self, var: Var<'_>, parse: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        match parse(var.text?) {
            Ok(value) => Some(value),
            Err(complaint) => {
                self.0.push(ConfigProblem::new(var.name, complaint));
                None
            }
        }
    }

    /// As [`Self::read`]; `default` when unset. (After a problem too: there
    /// will be no [`super::Config`] then anyway.)
    pub(super) fn read_or<T>(&mut self, var: Var<'_>, default: T, parse: impl FnOnce(&str) -> Parsed<T>) -> T {
        self.read(var, parse).unwrap_or(default)
    }
}

pub(super) fn text(text: &str) -> Parsed<String> {
    if text.chars().any(char::is_control) {
        return Err(Complaint::new("holds a line break or another control character", "write it on one line"));
    }
    Ok(text.to_owned())
}

pub(super) fn number(range: RangeInclusive<u32>, unit: &'static str) -> impl Fn(&str) -> Parsed<u32> {
    move |text| {
        let fix = || format!("set a whole number of {unit} from {} to {}", range.start(), range.end());
        let number: u32 =
            text.parse().map_err(|_| Complaint::new(format!("{text:?} is not a whole number of {unit}"), fix()))?;
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(Complaint::new(format!("{number} is out of range"), fix()))
        }
    }
}

/// A number, or `word` for none.
pub(super) fn number_or(
    word: &'static str,
    range: RangeInclusive<u32>,
    unit: &'static str,
) -> impl Fn(&str) -> Parsed<Option<u32>> {
    move |text| {
        if text.eq_ignore_ascii_case(word) {
            return Ok(None);
        }
        number(range.clone(), unit)(text)
            .map(Some)
            .map_err(|complaint| Complaint { fix: format!("{}, or \"{word}\"", complaint.fix), ..complaint })
    }
}

pub(super) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Parsed<T> {
    move |text| {
        words.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Complaint::new(format!("{text:?} is not known"), format!("set one of: {}", known.join(", ")))
        })
    }
}

pub(super) fn yes_or_no(text: &str) -> Parsed<bool> {
    one_of(&[("true", true), ("false", false)])(text)
}

/// The parts between commas, trimmed, empty ones left out.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// `mail` or `Name <mail>`.
pub(super) fn mailbox(text: &str) -> Parsed<(Option<String>, Email)> {
    let wrong = || Complaint::new("is not an email address", "write it as name@example.com or Name <name@example.com>");
    let text = self::text(text)?;
    let (name, address) = match text.split_once('<') {
        Some((name, rest)) => (name.trim().trim_matches('"').trim(), rest.strip_suffix('>').ok_or_else(wrong)?),
        None => ("", text.as_str()),
    };
    let address = Email::parse(address).ok_or_else(wrong)?;
    Ok(((!name.is_empty()).then(|| name.to_owned()), address))
}

/// An http(s) address without its trailing slash; a path may stand.
pub(super) fn url(text: &str) -> Parsed<String> {
    let fix = "write it like http://host:8181 or https://host/path";
    let url = url::Url::parse(text).map_err(|error| Complaint::new(format!("is not a web address ({error})"), fix))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Complaint::new(format!("begins with {}:, not http: or https:", url.scheme()), fix));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Complaint::new("holds a user name or password", "leave them out of the address"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Complaint::new("holds a ? or #", "end the address after the path"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A whole http(s) address that is called as it stands, secrets and all.
pub(super) fn secret_url(text: &str) -> Parsed<String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url.into()),
        _ => Err(Complaint::new("is not a web address", "write it like https://host/path")),
    }
}

/// A range of addresses, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its first address (or any in it).
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix_bits: u8,
}

impl Network {
    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u128::from(own.to_bits()), u128::from(other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        // A shift by the whole width would overflow; then nothing has to agree.
        (own ^ other).checked_shr(width - u32::from(self.prefix_bits)).unwrap_or(0) == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

pub(super) fn networks(text: &str) -> Parsed<Vec<Network>> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    list(text).iter().map(|part| network(part)).collect()
}

fn network(text: &str) -> Parsed<Network> {
    let wrong = || {
        Complaint::new(format!("{text:?} is no address or network"), "list them like 172.18.0.1, 10.0.0.0/8, fd00::/8")
    };
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix_bits = prefix.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
    if prefix_bits > width { Err(wrong()) } else { Ok(Network { address, prefix_bits }) }
}
