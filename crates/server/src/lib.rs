//! A Neo4j installation and its process, from the outside.
//!
//! Some work needs a server of our own rather than the user's: a bulk import into a stopped home,
//! a look into a store that was just restored, a test. This crate finds what is needed for that
//! (the jars, a Java that may run them), starts a private server on a home, waits until it really
//! answers, and takes it down again, whatever happens to the program that asked for it.
//!
//! Its one idea: **nothing of the user's is edited and nothing live is disturbed.** Settings go to
//! a private configuration folder, ports are free ones on the loopback interface, a home in use is
//! recognised by asking the kernel who holds its lock, without taking that lock.
//!
//! It speaks no Bolt: whoever starts a server connects with the client of their choice.
//!
//! ```no_run
//! # async fn example() -> Result<(), lifeboat_server::Error> {
//! use lifeboat_server::{Installation, Server, ServerOptions, initialize_home};
//!
//! let installation = Installation::find("neo4j-community-5.26.18", None)?;
//! initialize_home("home".as_ref())?;
//! let server = Server::start(&installation, ServerOptions::new("home").without_auth()).await?;
//! println!("{} answers at {}", installation.version(), server.bolt_uri());
//! server.stop().await?;
//! # Ok(())
//! # }
//! ```

mod admin;
mod conf;
mod error;
mod home;
mod installation;
mod java;
mod launch;
mod options;
mod ports;
mod probe;
mod process;
mod server;
mod version;

pub use admin::{AdminOutput, AdminTool};
pub use error::Error;
pub use home::{Running, data_folder, initialize_home, running, transactions_folder};
pub use installation::{Edition, Installation, version_in};
pub use java::Java;
pub use options::ServerOptions;
pub use ports::free_port;
pub use server::{Server, Stopped};
pub use version::Version;
