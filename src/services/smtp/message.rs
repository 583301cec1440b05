//! The message itself: RFC 5322, `multipart/alternative`, text first.

use std::time::SystemTime;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};
use lettre::{Address, Message};
use sha2::{Digest, Sha256};

use super::Mailbox;
use crate::facts::Email;
use crate::hex::hex;
use crate::letters::{FirstSending, Mail};

/// The bytes of `mail`, the same ones each time.
///
/// # Errors
/// A sentence, when a header's value could end the header.
pub(super) fn build(
    from: &Mailbox,
    reply_to: Option<&Mailbox>,
    to: &Address,
    mail: &Mail,
    first: &FirstSending,
) -> Result<Vec<u8>, String> {
    let id = &first.message_id;
    if id.len() > 250 || !id.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>')) {
        return Err("the Message-ID holds characters that no header may hold".to_owned());
    }
    if mail.subject.chars().any(char::is_control) {
        return Err("the subject holds control characters".to_owned());
    }
    let auto_submitted = HeaderName::new_from_ascii_str("Auto-Submitted");
    let mut builder = Message::builder()
        .date(SystemTime::from(first.date))
        .message_id(Some(format!("<{id}>")))
        .from(mailbox(from)?)
        .to(lettre::message::Mailbox::new(None, to.clone()))
        .subject(mail.subject.clone())
        .raw_header(HeaderValue::new(auto_submitted, "auto-generated".to_owned()));
    if let Some(reply_to) = reply_to {
        builder = builder.reply_to(mailbox(reply_to)?);
    }
    let parts = MultiPart::alternative()
        .boundary(boundary(id))
        .singlepart(SinglePart::plain(mail.text.clone()))
        .singlepart(SinglePart::html(mail.html.clone()));
    let message = builder.multipart(parts).map_err(|e| format!("the message can't be put together: {e}"))?;
    Ok(message.formatted())
}

/// `email` as lettre takes it; a domain in another script in its ASCII form.
pub(super) fn address(email: &Email) -> Option<Address> {
    let (local, domain) = email.as_str().rsplit_once('@')?;
    if domain.is_ascii() {
        return Address::new(local, domain).ok();
    }
    let url = reqwest::Url::parse(&format!("http://{domain}/")).ok()?;
    Address::new(local, url.host_str()?).ok()
}

fn mailbox(of: &Mailbox) -> Result<lettre::message::Mailbox, String> {
    let address = address(&of.address).ok_or("a sender's address isn't usable")?;
    let name = of.name.as_deref().map(|name| name.replace(char::is_control, " ").trim().to_owned());
    Ok(lettre::message::Mailbox::new(name.filter(|name| !name.is_empty()), address))
}

/// From the Message-ID, so that a repeat has the same. It can't occur in a
/// part: quoted-printable and base64 never write `=_`.
fn boundary(message_id: &str) -> String {
    let sum = hex(&Sha256::digest(message_id.as_bytes()));
    format!("=_usher_{sum:.24}")
}
