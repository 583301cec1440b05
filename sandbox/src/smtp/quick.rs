//! A socket that never lets virtual time wait for a delayed acknowledgement.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A socket that acknowledges what it has read at once, whatever lies above.
pub(super) struct Quick(pub TcpStream);

impl Quick {
    #[cfg(target_os = "linux")]
    pub(super) fn acknowledge(&self) {
        // The flag isn't permanent; a failure only makes virtual time slower.
        let _ = socket2::SockRef::from(&self.0).set_tcp_quickack(true);
    }
    #[cfg(not(target_os = "linux"))]
    pub(super) fn acknowledge(&self) {}
}

impl AsyncRead for Quick {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.0).poll_read(cx, buf);
        self.acknowledge();
        done
    }
}

impl AsyncWrite for Quick {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
