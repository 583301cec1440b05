//! Whether the state folder outlives the container.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// File systems that go with the container or the machine's power.
const FLEETING: [&str; 5] = ["overlay", "aufs", "fuse-overlayfs", "tmpfs", "ramfs"];

/// Whether `dir` lies on something that lasts: a mount of its own (or of a
/// folder above it) that isn't memory or a container's layer. `None` when the
/// system doesn't say.
#[must_use]
pub fn is_mount(dir: &Path) -> Option<bool> {
    let dir = fs::canonicalize(dir).ok()?;
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let in_container = Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
    judge(&table, &dir, in_container)
}

fn judge(mountinfo: &str, dir: &Path, in_container: bool) -> Option<bool> {
    let (place, kind) = mountinfo
        .lines()
        .filter_map(parse)
        .filter(|(place, _)| dir.starts_with(place))
        // The last of equals: later mounts hide earlier ones.
        .max_by_key(|(place, _)| place.components().count())?;
    let containers_own_root = in_container && place == Path::new("/");
    Some(!containers_own_root && !FLEETING.contains(&kind))
}

/// Mount point and file system of a line: the fifth field, and the first after
/// the lone `-` (proc(5)).
fn parse(line: &str) -> Option<(PathBuf, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let place = before.split(' ').nth(4)?;
    let unescaped = place.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    Some((PathBuf::from(unescaped), after.split(' ').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINER: &str = "\
1 0 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/x
2 1 0:53 / /proc rw - proc proc rw
3 1 8:1 /mnt/pool/usher /app/state rw,relatime - zfs pool/appdata rw,xattr
4 1 8:1 /mnt/pool/odd /app/my\\040state rw,relatime - ext4 /dev/sda1 rw
5 1 0:60 / /app/tmp rw - tmpfs tmpfs rw
";

    #[test]
    fn a_folder_lasts_only_on_a_mount_that_does() {
        for (dir, lasts) in [
            ("/app/state", true),
            ("/app/state/usher", true),
            ("/app/my state", true),
            ("/app/statement", false),
            ("/app/tmp", false),
            ("/srv", false),
        ] {
            assert_eq!(judge(CONTAINER, Path::new(dir), true), Some(lasts), "{dir}");
        }
    }

    #[test]
    fn a_plain_host_needs_no_mount_of_its_own_but_a_container_does() {
        let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n";
        assert_eq!(judge(table, Path::new("/srv/usher"), false), Some(true));
        assert_eq!(judge(table, Path::new("/app/state"), true), Some(false));
        assert_eq!(judge("", Path::new("/app/state"), true), None);
    }
}
