//! Ports for servers that are started by their number.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// Below the ports that Linux gives to outgoing connections (32768 to 60999): none of those can
/// take a port between its choice and its use, or while a server that keeps it is down.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// A port that nothing listens on, neither by TCP nor by UDP, and that no call in this process
/// has answered before.
///
/// # Errors
/// When none is free.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes start at different places.
    let start = std::process::id().wrapping_mul(7919);
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from(start.wrapping_add(step) % u32::from(COUNT))?;
        let address = ("127.0.0.1", port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port between {FIRST} and {} is free", FIRST + COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_only_when_it_is_free() {
        let first = free_port().unwrap();
        let _taken = UdpSocket::bind(("127.0.0.1", first + 1));
        let second = free_port().unwrap();
        assert!(first != second && second != first + 1);
        assert!(TcpListener::bind(("127.0.0.1", second)).is_ok());
    }
}
