//! What can be said of a state folder without being its daemon: no lock is
//! taken, and nothing stays behind.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{StoreError, disk, lock, mount};
use crate::secret::Secret;

/// Shorter ones stand in any text by chance.
const SECRET_CHARS_MIN: usize = 8;
/// What the files that hold people's addresses, or keys, begin with.
const PRIVATE: [&str; 5] = ["API_TOKEN", "PORTAL_KEY", "state.", "dry-run", "history"];
/// And those in which a configured secret has no business.
const BOOKS: [&str; 3] = ["state.", "dry-run", "history"];

/// A state folder as it lies there.
#[derive(Debug)]
pub struct Inspection {
    /// It is there; else the first start makes it.
    pub exists: bool,
    /// Whether this process may write in it; by trying, where it exists.
    pub writable: Result<(), StoreError>,
    /// As [`is_mount`](super::is_mount).
    pub is_mount: Option<bool>,
    /// Who took the lock last, in its own words. It says so for ever: only an
    /// answer of the daemon proves that it runs.
    pub last_holder: Option<String>,
    /// Private files that others may read, by name.
    pub open_to_others: Vec<String>,
    /// Files of the book that hold one of the secrets, by name.
    pub leaking: Vec<String>,
}

/// Looks a folder over. `secrets` are those that must not stand in the book.
#[must_use]
pub fn inspect(dir: &Path, secrets: &[Secret]) -> Inspection {
    let exists = dir.is_dir();
    // Unreadable is told by the trial of writing, or by the book's own reading.
    let names = disk::names_in(dir).unwrap_or_default();
    let of = |starts: &[&str]| -> Vec<String> {
        names.iter().filter(|name| starts.iter().any(|start| name.starts_with(start))).cloned().collect()
    };
    let open = |name: &String| {
        fs::metadata(dir.join(name)).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o077 != 0)
    };
    let leaks = |name: &String| {
        let Ok(bytes) = fs::read(dir.join(name)) else { return false };
        let text = String::from_utf8_lossy(&bytes);
        let long = |secret: &&Secret| secret.expose().len() >= SECRET_CHARS_MIN;
        secrets.iter().filter(long).any(|secret| text.contains(secret.expose()))
    };
    Inspection {
        exists,
        writable: if exists { disk::try_writing(dir) } else { Ok(()) },
        is_mount: mount::is_mount(dir),
        last_holder: lock::last_holder(dir),
        open_to_others: of(&PRIVATE).into_iter().filter(open).collect(),
        leaking: of(&BOOKS).into_iter().filter(leaks).collect(),
    }
}
