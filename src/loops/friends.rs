//! The friends loop: who is in our server's room.

use super::{Rhythm, read};
use crate::engine::mailbox::Post;
use crate::facts::Source;
use crate::services::plex::Plex;

/// Reads plex.tv until the engine is gone.
pub async fn run(mut rhythm: Rhythm, plex: Plex, server_name: Option<String>, post: Post) {
    loop {
        let known = rhythm.needs.borrow().server.clone();
        let mut taken = read(&rhythm.clock, plex.friends(server_name.as_deref(), known.as_ref())).await;
        post.rests(Source::Plex, taken.asked).await;
        taken.reading.take().into_iter().for_each(|reading| post.plex(reading));
        rhythm.rest(&taken).await;
    }
}
