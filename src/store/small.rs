//! The small files beside the book: tokens, the client id, where we listen.

use std::{net::SocketAddr, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{StoreError, disk};
use crate::hex::hex;
use crate::secret::Secret;

const TOKEN_BYTES: usize = 32;
const CLIENT_ID_FILE: &str = "client-id";
const PORTAL_KEY_FILE: &str = "PORTAL_KEY";
const LISTENING_FILE: &str = "listening.json";

/// The admin listener's bearer tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// May change things.
    pub admin: Secret,
    /// May only read.
    pub read: Secret,
}

/// Where the daemon listens; the ports are the real ones, also when 0 was
/// asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// Webhooks, health, join.
    pub public: SocketAddr,
    /// The API and the CLI's door.
    pub admin: SocketAddr,
}

/// The tokens of this folder (`API_TOKEN`, `API_TOKEN_READ`), made at first
/// start. Only the daemon makes them; see [`existing_tokens`].
pub fn tokens(dir: &Path) -> Result<Tokens, StoreError> {
    Ok(Tokens {
        admin: Secret::new(kept(dir, "API_TOKEN", random_hex::<TOKEN_BYTES>)?),
        read: Secret::new(kept(dir, "API_TOKEN_READ", random_hex::<TOKEN_BYTES>)?),
    })
}

/// The tokens, for a command: writes nothing. `None` before the first start.
pub fn existing_tokens(dir: &Path) -> Result<Option<Tokens>, StoreError> {
    let admin = read_line(dir, "API_TOKEN")?;
    let read = read_line(dir, "API_TOKEN_READ")?;
    Ok(admin.zip(read).map(|(admin, read)| Tokens { admin: Secret::new(admin), read: Secret::new(read) }))
}

/// What signs the links to billing pages, made at first start.
pub fn portal_key(dir: &Path) -> Result<Secret, StoreError> {
    kept(dir, PORTAL_KEY_FILE, random_hex::<TOKEN_BYTES>).map(Secret::new)
}

/// Who we are to plex.tv: a UUID made once and kept for ever, so that the
/// account's list of devices doesn't grow with every start.
pub fn client_id(dir: &Path) -> Result<String, StoreError> {
    kept(dir, CLIENT_ID_FILE, || Ok(uuid(random()?)))
}

/// The same for who may not write: the kept one, else one that is always the
/// same for the same `account` (a secret of it), so that looking many times
/// before the first start is one device, not many.
pub fn client_id_for_a_look(dir: &Path, account: &Secret) -> Result<String, StoreError> {
    if let Some(kept) = read_line(dir, CLIENT_ID_FILE)? {
        return Ok(kept);
    }
    let sum = Sha256::new().chain_update("usher's look\n").chain_update(account.expose()).finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(sum).for_each(|(byte, of_sum)| *byte = of_sum);
    Ok(uuid(bytes))
}

/// Version 4, variant 1 (RFC 9562 §5.4).
fn uuid(mut bytes: [u8; 16]) -> String {
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    let hex = hex(&bytes);
    let mut parts = Vec::new();
    let mut rest = hex.as_str();
    for length in [8, 4, 4, 4, 12] {
        let (part, tail) = rest.split_at(length);
        parts.push(part);
        rest = tail;
    }
    parts.join("-")
}

/// Tells the commands where to knock.
pub fn write_listening(dir: &Path, listening: &Listening) -> Result<(), StoreError> {
    let text = serde_json::to_string_pretty(listening).map_err(|why| StoreError::NotJson { why: why.to_string() })?;
    disk::replace(&dir.join(LISTENING_FILE), format!("{text}\n").as_bytes())
}

/// Where the daemon said it listens; `None` when it never did or the file
/// makes no sense. It stays behind when the daemon is killed, so an answer at
/// that address is the only proof.
pub fn read_listening(dir: &Path) -> Result<Option<Listening>, StoreError> {
    let bytes = disk::read_if_there(&dir.join(LISTENING_FILE))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// The daemon stopped listening.
pub fn remove_listening(dir: &Path) -> Result<(), StoreError> {
    disk::remove_if_there(&dir.join(LISTENING_FILE))
        .map_err(|why| StoreError::NotWritten { doing: "removing listening.json", why })
}

/// The file's line, or a new one that stays. An empty file (torn at the first
/// start) counts as none.
fn kept(dir: &Path, name: &str, make: impl FnOnce() -> Result<String, StoreError>) -> Result<String, StoreError> {
    if let Some(line) = read_line(dir, name)? {
        return Ok(line);
    }
    let line = make()?;
    disk::replace(&dir.join(name), format!("{line}\n").as_bytes())?;
    Ok(line)
}

fn read_line(dir: &Path, name: &str) -> Result<Option<String>, StoreError> {
    let bytes = disk::read_if_there(&dir.join(name))?.unwrap_or_default();
    let line = String::from_utf8_lossy(&bytes).trim().to_owned();
    Ok((!line.is_empty()).then_some(line))
}

fn random_hex<const N: usize>() -> Result<String, StoreError> {
    Ok(hex(&random::<N>()?))
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|why| StoreError::NoRandomness { why: why.to_string() })?;
    Ok(bytes)
}
