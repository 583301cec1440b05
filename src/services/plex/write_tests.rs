use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    facts::{SectionId, ShareState},
    secret::Secret,
    services::script::{Answer, Asked, http, lines, serve},
};

const XML: &str = "application/xml";

async fn plex(answer: impl Fn(&str, &str) -> Answer + Clone + Send + 'static) -> (Plex, Asked) {
    let (base, asked) = serve(answer).await;
    (Plex::new(http(), Some(base), Secret::new("SECRET"), "client".to_owned()), asked)
}

fn share() -> Share {
    Share {
        id: ShareId(5),
        account: Some(PlexId(2000001)),
        username: None,
        title: None,
        email: Email::parse("ann@example.com"),
        sections: BTreeSet::new(),
        all_libraries: false,
        downloads: Some(false),
        settings: Some(BTreeMap::from([("allowSync".to_owned(), json!(false)), ("filterAll".to_owned(), Value::Null)])),
        state: ShareState::Pending { invited_at: None },
        home: false,
        restricted: false,
    }
}

fn movies() -> SectionSet {
    SectionSet::new(BTreeSet::from([SectionId(128000001)])).unwrap()
}

fn server() -> ServerId {
    ServerId::from("aaaa")
}

fn no_content() -> Answer {
    (204, "", String::new())
}

fn status(status: u16) -> Answer {
    (status, "application/json", r#"{"errors":[{"code":1002}]}"#.to_owned())
}
