//! One usher per folder (G21). The lock is its own file, since the book's is
//! replaced at every commit; the system frees it however the process ends.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use super::{StoreError, disk};
use crate::facts::Moment;

const LOCK_FILE: &str = "usher.lock";

/// Held as long as this value lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, or says who has it.
    pub(super) fn take(dir: &Path, now: Moment) -> Result<Self, StoreError> {
        let not_writable = |why| StoreError::NotWritten { doing: "taking the lock", why };
        let mut file = disk::open_kept(&dir.join(LOCK_FILE)).map_err(not_writable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut who = String::new();
                // What it says is only for the sentence.
                let _ = file.read_to_string(&mut who);
                return Err(StoreError::Locked { dir: dir.to_owned(), who: who.trim().to_owned() });
            }
            Err(TryLockError::Error(why)) => return Err(not_writable(why)),
        }
        let who = format!("pid {} on {} since {}\n", std::process::id(), host(), now.to_rfc3339());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(who.as_bytes()))
            .map_err(not_writable)?;
        Ok(Self { _file: file })
    }
}

/// Who took it last. The file stays when the process ends, so this proves
/// nothing; and trying the lock would stand in the way of a start.
pub(super) fn last_holder(dir: &Path) -> Option<String> {
    let who = fs::read_to_string(dir.join(LOCK_FILE)).ok()?;
    Some(who.trim().to_owned()).filter(|who| !who.is_empty())
}

/// In containers every pid is 1, so the host's name says more.
fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "this host".into(), |name| name.trim().to_owned())
}
