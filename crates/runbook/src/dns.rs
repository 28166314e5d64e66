//! DNS: an application's name is pointed at another address, and the change is awaited.
