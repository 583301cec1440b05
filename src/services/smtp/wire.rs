//! The socket under a conversation that begins in clear.
//!
//! Until TLS begins it hands out one byte at a time, so that the reader above
//! never holds more than the line it asked for: what somebody slipped in
//! behind the answer to `STARTTLS` goes to the TLS handshake, which fails on
//! it, and never passes for an answer of the protected conversation
//! (RFC 3207: "discard any knowledge obtained prior to the TLS negotiation").

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, ToSocketAddrs};

/// The first byte of a TLS handshake record. No SMTP command begins so.
const HANDSHAKE: u8 = 0x16;

#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    in_clear: bool,
}

impl Wire {
    pub(super) async fn connect(to: impl ToSocketAddrs) -> io::Result<Self> {
        let socket = TcpStream::connect(to).await?;
        // The text and the dot are two writes: no waiting between them.
        socket.set_nodelay(true)?;
        Ok(Self { socket, in_clear: true })
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.in_clear || into.remaining() == 0 {
            return Pin::new(&mut self.socket).poll_read(cx, into);
        }
        let mut one = [0];
        let mut buffer = ReadBuf::new(&mut one);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        into.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.first() == Some(&HANDSHAKE) {
            self.in_clear = false;
        }
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
