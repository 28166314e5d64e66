//! Free ports.

use std::{io, net::TcpListener};

use crate::Error;

/// A port of the loopback interface that nothing listened on a moment ago.
///
/// Another program may take it before it is used: whoever starts a server on it has to be ready
/// for that, as [`Server::start`](crate::Server::start) is.
///
/// # Errors
/// When no port can be had at all.
pub fn free_port() -> Result<u16, Error> {
    find().map_err(Error::io("find a free port on", "127.0.0.1"))
}

fn find() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_listened_on() {
        let port = free_port().unwrap();
        assert_ne!(port, 0);
        let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
    }
}
