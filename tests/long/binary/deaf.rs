//! Names that nobody resolves.

use std::process::Command;

use super::child::{House, SOON};

/// A look-up of a name can't be called off; the end of the process must not
/// wait for it. Needs root, for a `resolv.conf` of its own.
#[tokio::test]
async fn sigterm_ends_it_within_six_seconds_while_no_name_server_answers() {
    let mut house = House::new("deaf").await;
    let Ok(name_server) = tokio::net::UdpSocket::bind("127.0.0.1:53").await else {
        return eprintln!("skipped: only root can play a name server");
    };
    let conf = house.folder().join("resolv.conf");
    std::fs::write(&conf, "nameserver 127.0.0.1\noptions timeout:20 attempts:3\n").unwrap();
    house.rig.set("PLEX_API_URL", "http://plex.deaf.example:1");
    let inside = house.program(&[], &house.rig.env);
    let mut command = Command::new("unshare");
    let mount = format!("mount --bind {} /etc/resolv.conf && exec {}", conf.display(), inside.get_program().display());
    command.args(["-m", "sh", "-c", &mount]).envs(&house.rig.env).current_dir("/");
    if !Command::new("unshare")
        .args(["-m", "mount", "--bind", "/tmp", "/tmp"])
        .status()
        .is_ok_and(|status| status.success())
    {
        return eprintln!("skipped: no rights to a mount of its own");
    }
    house.start_as(command);
    let asked = tokio::time::timeout(SOON, name_server.recv_from(&mut [0; 512])).await;
    assert!(asked.is_ok(), "no name was looked up: {}", house.log());
    house.close().await;
}
