//! A request's parameters, Stripe's way of paging, and its errors.

use serde_json::{Value, json};

use super::{account::Account, render};
use crate::{
    base::{Answer, Request},
    faults::Bend,
    wire,
};

/// A refusal in Stripe's form.
#[derive(Debug)]
pub(super) struct Fail {
    pub status: u16,
    kind: &'static str,
    code: String,
    param: String,
    message: String,
    /// Nobody should send such a request at all.
    pub unexpected: bool,
}

impl Fail {
    pub(super) fn new(status: u16, kind: &'static str, code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        Self { status, kind, code, param: String::new(), message, unexpected: false }
    }

    pub(super) fn bad(code: &str, param: &str, message: &str) -> Self {
        let fail = Self::new(400, "invalid_request_error", code, message);
        Self { param: param.to_owned(), ..fail }
    }

    pub(super) fn missing(what: &str, id: &str) -> Self {
        let text = format!("No such {what}: '{id}'");
        let fail = Self::new(404, "invalid_request_error", "resource_missing", &text);
        Self { param: "id".to_owned(), ..fail }
    }

    pub(super) fn never_expected(self) -> Self {
        Self { unexpected: true, ..self }
    }

    pub(super) fn why(&self) -> String {
        self.message.clone()
    }

    pub(super) fn param(&self) -> &str {
        &self.param
    }

    pub(super) fn body(&self) -> Value {
        let mut error = json!({"type": self.kind, "message": self.message});
        for (key, value) in [("code", &self.code), ("param", &self.param)] {
            if !value.is_empty() {
                error[key] = json!(value);
            }
        }
        json!({"error": error})
    }

    pub(super) fn answer(&self) -> Answer {
        Answer::json(self.status, &self.body())
    }
}

/// Parameters by normalised name: `expand[0]` and `expand[]` are the same.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

/// What every list takes.
const PAGING: [&str; 4] = ["limit", "starting_after", "ending_before", "expand[]"];

impl Query {
    /// From the query of a reading request, or the form of a changing one.
    pub(super) fn of(request: &Request) -> Result<Self, Fail> {
        let kind = request.header("content-type");
        let is_form = kind.starts_with("application/x-www-form-urlencoded");
        if !request.body.is_empty() && !is_form {
            let text = "Invalid request body: only application/x-www-form-urlencoded is taken";
            return Err(Fail::bad("", "", text).never_expected());
        }
        let form = if is_form { wire::pairs(&String::from_utf8_lossy(&request.body)) } else { Vec::new() };
        let all = request.query.iter().cloned().chain(form);
        Ok(Self { pairs: all.map(|(name, value)| (normal(&name), value)).collect() })
    }

    /// Refuses every parameter that isn't `allowed`; `metadata[]` is any key.
    pub(super) fn only(&self, allowed: &[&str]) -> Result<(), Fail> {
        for (name, _) in &self.pairs {
            let generic = generic(name);
            if !allowed.contains(&name.as_str()) && !allowed.contains(&generic.as_str()) {
                let text = format!("Received unknown parameter: {name}");
                return Err(Fail::bad("parameter_unknown", name, &text).never_expected());
            }
        }
        Ok(())
    }

    /// The same for a list: paging goes without saying.
    pub(super) fn only_list(&self, allowed: &[&str]) -> Result<(), Fail> {
        self.only(&[allowed, &PAGING].concat())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value, unless the parameter is absent or empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// `prefix[key]` pairs.
    pub(super) fn map(&self, prefix: &str) -> Vec<(String, String)> {
        let open = format!("{prefix}[");
        let inner = |name: &str| Some(name.strip_prefix(&open)?.strip_suffix(']')?.to_owned());
        self.pairs.iter().filter_map(|(name, value)| Some((inner(name)?, value.clone()))).collect()
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Fail> {
        let parse = |text: &str| {
            text.parse().map_err(|_| Fail::bad("parameter_invalid_integer", name, &format!("Invalid integer: {text}")))
        };
        self.filled(name).map(parse).transpose()
    }

    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, Fail> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Fail::bad("", name, &format!("Invalid boolean: {other}"))),
        }
    }

    /// Whether a time fits `name`, `name[gt]`, `name[gte]`, `name[lt]`, `name[lte]`.
    pub(super) fn in_range(&self, name: &str, at: i64) -> Result<bool, Fail> {
        let bound = |suffix: &str| self.number(&format!("{name}{suffix}"));
        Ok(bound("")?.is_none_or(|limit| at == limit)
            && bound("[gt]")?.is_none_or(|limit| at > limit)
            && bound("[gte]")?.is_none_or(|limit| at >= limit)
            && bound("[lt]")?.is_none_or(|limit| at < limit)
            && bound("[lte]")?.is_none_or(|limit| at <= limit))
    }

    /// The parameters as one text, for telling requests apart.
    pub(super) fn fingerprint(&self) -> String {
        let mut all: Vec<String> = self.pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        all.sort();
        all.join("&")
    }

    /// Expands what was asked for.
    pub(super) fn expand(&self, account: &Account, mut value: Value) -> Result<Value, Fail> {
        for path in self.all("expand[]") {
            render::expand(account, &mut value, path)?;
        }
        Ok(value)
    }

    /// One page. `rows`: everything of this kind, oldest first, with its id;
    /// `keep`: what the filters let through. Paging goes by an object's place
    /// among all, so a last id that no longer fits the filter still works.
    pub(super) fn page<T>(
        &self,
        paging: &mut Paging<'_>,
        url: &str,
        rows: &[T],
        id: impl Fn(&T) -> String,
        keep: impl Fn(&T) -> Result<bool, Fail>,
        render: impl Fn(&T) -> Value,
    ) -> Result<Value, Fail> {
        let limit = self.number("limit")?.unwrap_or(10);
        if !(1..=100).contains(&limit) {
            let text = "This value must be between 1 and 100";
            return Err(Fail::bad("parameter_invalid_integer", "limit", text).never_expected());
        }
        let limit = usize::try_from(limit).unwrap_or(10);
        let newest_first: Vec<&T> = rows.iter().rev().collect();
        let place = |name: &str| {
            let wanted = self.filled(name).filter(|_| !paging.account.paging_stuck);
            let find = |last: &str| {
                let missing = Fail::bad("resource_missing", name, &format!("No such object: '{last}'"));
                newest_first.iter().position(|row| id(row) == last).ok_or(missing)
            };
            wanted.map(find).transpose()
        };
        let (after, before) = (place("starting_after")?, place("ending_before")?);
        let start = after.map_or(0, |place| place + 1);
        let end = before.unwrap_or(newest_first.len());
        let mut fit = Vec::new();
        for row in newest_first.get(start..end).unwrap_or_default() {
            if keep(row)? {
                fit.push(*row);
            }
        }
        let has_more = fit.len() > limit;
        let page = match before {
            // The page next to the given id, still newest first.
            Some(_) => fit.split_off(fit.len().saturating_sub(limit)),
            None => fit.into_iter().take(limit).collect(),
        };
        let mut data: Vec<Value> = page.into_iter().map(render).collect();
        let mut has_more = has_more;
        if paging.account.lists_empty {
            (data, has_more) = (Vec::new(), false);
        }
        if let Some(bend) = paging.bend.filter(|_| !data.is_empty()) {
            (data, has_more) = (bend.of(&data), false);
            *paging.bent = true;
        }
        self.expand(paging.account, render::list(url, data, has_more))
    }
}

/// What a page depends on besides its parameters.
pub(super) struct Paging<'a> {
    pub account: &'a Account,
    pub bend: Option<Bend>,
    pub bent: &'a mut bool,
}

/// `items[0][price]` becomes `items[][price]`.
fn normal(name: &str) -> String {
    let mut out = String::new();
    for (i, piece) in name.split('[').enumerate() {
        if i > 0 {
            out.push('[');
        }
        let is_index = i > 0 && piece.strip_suffix(']').is_some_and(|n| n.parse::<u32>().is_ok());
        out.push_str(if is_index { "]" } else { piece });
    }
    out
}

/// `subscription_data[metadata][member]` becomes `subscription_data[metadata][]`.
fn generic(name: &str) -> String {
    match name.find("metadata") {
        Some(at) => match name[at..].rfind('[') {
            Some(open) => format!("{}[]", &name[..at + open]),
            None => name.to_owned(),
        },
        None => name.to_owned(),
    }
}
