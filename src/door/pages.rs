//! The public pages' looks: HTML without scripts, one style sheet, the
//! operator's name and colour.
//!
//! Promises: whatever stands in a page is escaped; no page is cached, framed or
//! sniffed, runs a script, loads anything from elsewhere, or tells where its
//! reader came from (links to billing pages are secrets).

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Value, json};

use super::reply::{Reply, empty};
use crate::letters::Brand;

/// The templates, by file name: those that end in `.html` are escaped.
const TEMPLATES: [(&str, &str); 16] = [
    ("base.html", include_str!("pages/base.html")),
    ("doors.html", include_str!("pages/doors.html")),
    ("tier.html", include_str!("pages/tier.html")),
    ("plans.html", include_str!("pages/plans.html")),
    ("join.html", include_str!("pages/join.html")),
    ("joined.html", include_str!("pages/joined.html")),
    ("sign_in.html", include_str!("pages/sign_in.html")),
    ("sign_in_over.html", include_str!("pages/sign_in_over.html")),
    ("subscribed.html", include_str!("pages/subscribed.html")),
    ("redeem.html", include_str!("pages/redeem.html")),
    ("redeemed.html", include_str!("pages/redeemed.html")),
    ("billing.html", include_str!("pages/billing.html")),
    ("billing_asked.html", include_str!("pages/billing_asked.html")),
    ("billing_open.html", include_str!("pages/billing_open.html")),
    ("notice.html", include_str!("pages/notice.html")),
    ("style.css", include_str!("pages/style.css")),
];

/// For every page. `form-action` speaks of redirects, too, and Stripe's pages
/// may stand under the operator's own domain: any https address.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self' https:; base-uri 'none'; frame-ancestors 'none'",
    ),
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
];

/// Renders the pages.
pub struct Pages {
    templates: Environment<'static>,
    brand: Value,
    base: String,
}

impl Pages {
    /// The built-in templates in this brand's name and colour.
    ///
    /// # Errors
    /// A sentence: a built-in template is broken, which the tests would show.
    pub fn new(brand: &Brand) -> Result<Self, String> {
        let mut templates = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        templates.set_syntax(syntax.map_err(|error| error.to_string())?);
        templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        for (name, source) in TEMPLATES {
            templates.add_template(name, source).map_err(|error| error.to_string())?;
        }
        // Behind a proxy the pages may stand below a path.
        let path = |url: &str| {
            url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path.to_owned())
        };
        let path = brand.public_url.as_deref().and_then(path).filter(|path| !path.is_empty());
        let base = path.map_or_else(String::new, |path| format!("/{}", path.trim_end_matches('/')));
        Ok(Self { templates, brand: brand.shown(), base })
    }

    /// The path below which the pages stand: empty, or `/cinema`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A page with these facts beside the brand.
    #[must_use]
    pub fn page(&self, status: StatusCode, name: &str, facts: &Value) -> Reply {
        let mut reply = self.text(name, facts, "text/html; charset=utf-8");
        if reply.status() == StatusCode::OK {
            *reply.status_mut() = status;
        }
        reply
    }

    /// A page that says one thing.
    #[must_use]
    pub fn notice(&self, status: StatusCode, title: &str, text: &str) -> Reply {
        self.page(status, "notice.html", &json!({ "title": title, "text": text }))
    }

    /// Asked for too often: when to come back.
    #[must_use]
    pub fn too_many(&self, wait_secs: u64) -> Reply {
        let minutes = wait_secs.div_ceil(60);
        let when = if minutes == 1 { "in a minute".to_owned() } else { format!("in {minutes} minutes") };
        let text = format!("This was tried too often from where you are. Please try again {when}.");
        let mut reply = self.notice(StatusCode::TOO_MANY_REQUESTS, "Not so fast", &text);
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait_secs));
        reply
    }

    /// The style sheet.
    #[must_use]
    pub fn style(&self) -> Reply {
        self.text("style.css", &json!({}), "text/css; charset=utf-8")
    }

    /// On to another page of ours or of Stripe's (303: with a GET).
    #[must_use]
    pub fn see_other(&self, to: &str) -> Reply {
        let Ok(to) = HeaderValue::from_str(to) else { return empty(StatusCode::BAD_GATEWAY) };
        let mut reply = dressed(empty(StatusCode::SEE_OTHER));
        reply.headers_mut().insert(LOCATION, to);
        reply
    }

    fn render(&self, name: &str, facts: &Value) -> Result<String, minijinja::Error> {
        let mut context = json!({ "brand": self.brand, "base": self.base, "problem": null, "given": { "email": "" }, "chosen_below": false, "link": null });
        if let (Some(context), Some(facts)) = (context.as_object_mut(), facts.as_object()) {
            context.extend(facts.clone());
        }
        self.templates.get_template(name)?.render(Serde(&context))
    }

    fn text(&self, name: &str, facts: &Value, kind: &'static str) -> Reply {
        match self.render(name, facts) {
            Ok(text) => {
                let mut reply = dressed(Response::new(Full::new(Bytes::from(text))));
                reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                reply
            }
            Err(error) => {
                tracing::error!(page = name, %error, "a page could not be made; please report it");
                empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

fn dressed(mut reply: Reply) -> Reply {
    for (name, value) in HEADERS {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_stand_below_the_path_of_the_public_address() {
        let pages = |public_url: Option<&str>| {
            let public_url = public_url.map(str::to_owned);
            Pages::new(&Brand { name: "Attic".into(), color: "#123456".into(), support_link: None, public_url })
                .unwrap()
        };
        for (url, base) in [
            (None, ""),
            (Some("https://attic.example"), ""),
            (Some("https://attic.example/"), ""),
            (Some("https://attic.example/cinema"), "/cinema"),
            (Some("https://attic.example:8443/a/b/"), "/a/b"),
        ] {
            assert_eq!(pages(url).base(), base, "{url:?}");
        }
        let page = pages(Some("https://attic.example/cinema"));
        let html = page.render("billing.html", &json!({})).unwrap().replace("&#x2f;", "/");
        assert!(html.contains("href=\"/cinema/style.css\"") && html.contains("action=\"/cinema/billing\""), "{html}");
    }
}
