//! Files, the careful way: 0600, temp name + sync + rename, the folder synced.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::StoreError;

/// Only the owner reads and writes.
const PRIVATE_MODE: u32 = 0o600;

/// A new private file holding `bytes`, written but not yet synced.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    remove_if_there(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_MODE).open(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// An existing or new private file, for adding at its end.
pub(super) fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(PRIVATE_MODE).open(path)
}

/// An existing or new private file, left as it is (for locks).
pub(super) fn open_kept(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(PRIVATE_MODE).open(path)
}

/// The bytes of a file, or `None` when there is none.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(StoreError::Unreadable { file: path.to_owned(), why }),
    }
}

/// Gone afterwards, whether or not it was there.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

/// The folder's own entries (renames, links) are on the disk afterwards.
pub(super) fn sync_folder(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // Some network file systems have nothing to sync for a folder.
        Err(why) if matches!(why.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

/// `to` is a second name of `from` afterwards, or, where the file system has
/// no links, a synced copy. `to` is replaced in one step.
pub(super) fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    let temp = temp_name(to);
    remove_if_there(&temp)?;
    if fs::hard_link(from, &temp).is_err() {
        let bytes = fs::read(from)?;
        write_new(&temp, &bytes)?.sync_all()?;
    }
    fs::rename(&temp, to)?;
    // Renaming one name of a file onto another of its names does nothing at
    // all (POSIX), so the temp name may still be there.
    remove_if_there(&temp)
}

/// A small file replaced whole: readers see the old or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let put = || {
        let temp = temp_name(path);
        write_new(&temp, bytes)?.sync_all()?;
        fs::rename(&temp, path)?;
        path.parent().map_or(Ok(()), sync_folder)
    };
    put().map_err(|why| StoreError::NotWritten { doing: "writing a small file", why })
}

/// Where a file is prepared before it takes its name: the same folder, since a
/// rename across file systems isn't one step.
pub(super) fn temp_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// The folder is there and we may write in it, or a sentence saying who can't.
pub(super) fn require_writable(dir: &Path) -> Result<(), StoreError> {
    make_folder(dir).map_err(|why| not_writable(dir, why))?;
    leave_no_trace(dir, ".usher-may-write")
}

/// As [`require_writable`] for a folder that is there, beside a daemon that may
/// be starting: its probe is another one.
pub(super) fn try_writing(dir: &Path) -> Result<(), StoreError> {
    leave_no_trace(dir, &format!(".usher-check-{}", std::process::id()))
}

/// Writes a file of this name, and takes it away again.
fn leave_no_trace(dir: &Path, name: &str) -> Result<(), StoreError> {
    let probe = dir.join(name);
    let tried = write_new(&probe, b"").and_then(|_| fs::remove_file(&probe));
    tried.map_err(|why| not_writable(dir, why))
}

fn not_writable(dir: &Path, why: io::Error) -> StoreError {
    StoreError::NotWritable { dir: dir.to_owned(), uid: own_uid(), why }
}

/// The folder is there afterwards, private when it is new.
pub(super) fn make_folder(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The names in a folder, sorted; none when the folder isn't there.
pub(super) fn names_in(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The user we run as; `/proc/self` belongs to them.
fn own_uid() -> u32 {
    fs::metadata("/proc/self").map_or(0, |own| own.uid())
}
