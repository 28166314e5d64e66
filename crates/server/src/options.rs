//! What a private server is started with.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use crate::launch;

/// How to start a server. Made by [`new`](Self::new), then changed where needed.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The home it runs on: data, logs, plugins. Nothing in its `conf` folder is changed.
    pub home: PathBuf,
    /// Whether the home's own `conf/neo4j.conf` is the base of the private configuration (memory,
    /// folders and format settings stay the user's). Off: only what stands here. Default: off.
    pub inherit_conf: bool,
    /// The Bolt port on the loopback interface; `None` takes a free one.
    pub bolt_port: Option<u16>,
    /// The HTTP port on the loopback interface; `None` takes a free one.
    pub http_port: Option<u16>,
    /// Whether it serves HTTP at all. Default: yes.
    pub http: bool,
    /// Whether clients must log in. Default: yes.
    pub auth: bool,
    /// Largest Java heap in MiB. Default: 512.
    pub heap_mib: u32,
    /// Page cache in MiB. Default: 128.
    pub page_cache_mib: u32,
    /// Further settings for `neo4j.conf`; they win over all others.
    pub settings: Vec<(String, String)>,
    /// Further flags for the Java machine.
    pub jvm_flags: Vec<OsString>,
    /// Whether Java's vector module is loaded where there is one, as Neo4j's own launcher does for
    /// calendar versions. Default: yes.
    pub vector_module: bool,
    /// In which folder the private configuration and the output are kept; `None` takes the
    /// system's folder for temporary files.
    pub scratch: Option<PathBuf>,
    /// How long it may take until it answers. Default: 5 minutes, since a recovery takes its time.
    pub start_timeout: Duration,
    /// How long it may take to stop before it is killed. Default: 5 minutes.
    pub stop_timeout: Duration,
}

impl ServerOptions {
    /// The defaults, on a home.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            inherit_conf: false,
            bolt_port: None,
            http_port: None,
            http: true,
            auth: true,
            heap_mib: 512,
            page_cache_mib: 128,
            settings: Vec::new(),
            jvm_flags: Vec::new(),
            vector_module: true,
            scratch: None,
            start_timeout: Duration::from_mins(5),
            stop_timeout: Duration::from_mins(5),
        }
    }

    /// Lets clients in without logging in.
    #[must_use]
    pub fn without_auth(mut self) -> Self {
        self.auth = false;
        self
    }

    /// For a server that has little to do: Java compiles less well, and so is sooner done with it.
    #[must_use]
    pub fn soon_done(mut self) -> Self {
        self.jvm_flags.push(launch::SOON_DONE.into());
        self
    }

    /// Adds a setting for `neo4j.conf`.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// All settings of a private server, those given last so that they win.
    pub(crate) fn settings(&self, bolt_port: u16, http_port: u16) -> Vec<(String, String)> {
        let own = [
            ("server.default_listen_address", "127.0.0.1".to_owned()),
            ("server.default_advertised_address", "127.0.0.1".to_owned()),
            ("server.bolt.enabled", "true".to_owned()),
            ("server.bolt.listen_address", format!("127.0.0.1:{bolt_port}")),
            ("server.bolt.advertised_address", format!("127.0.0.1:{bolt_port}")),
            ("server.http.enabled", self.http.to_string()),
            ("server.http.listen_address", format!("127.0.0.1:{http_port}")),
            ("server.http.advertised_address", format!("127.0.0.1:{http_port}")),
            ("server.https.enabled", "false".to_owned()),
            ("server.memory.pagecache.size", format!("{}m", self.page_cache_mib)),
            ("dbms.security.auth_enabled", self.auth.to_string()),
            ("dbms.usage_report.enabled", "false".to_owned()),
            // Without this every stop waits 10 s for clients that might still come.
            ("internal.dbms.bolt.netty_server_shutdown_quiet_period", "0".to_owned()),
        ];
        let mut settings: Vec<_> =
            own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if !self.inherit_conf {
            settings.push(("server.directories.import".to_owned(), "import".to_owned()));
        }
        settings.extend(self.settings.iter().cloned());
        settings
    }

    /// Whether a plain handshake is refused, because the settings ask for TLS.
    pub(crate) fn requires_tls(&self) -> bool {
        self.settings
            .iter()
            .rev()
            .find(|(name, _)| name == "server.bolt.tls_level")
            .is_some_and(|(_, value)| value.eq_ignore_ascii_case("required"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_settings_come_last() {
        let options = ServerOptions::new("h").setting("server.bolt.tls_level", "REQUIRED");
        let settings = options.settings(1, 2);
        assert_eq!(settings.last().unwrap().0, "server.bolt.tls_level");
        assert!(options.requires_tls());
        assert!(!options.setting("server.bolt.tls_level", "OPTIONAL").requires_tls());
    }

    #[test]
    fn auth_is_on_unless_said_otherwise() {
        let auth = |options: ServerOptions| {
            let settings = options.settings(1, 2);
            settings.iter().find(|(n, _)| n == "dbms.security.auth_enabled").unwrap().1.clone()
        };
        assert_eq!(auth(ServerOptions::new("h")), "true");
        assert_eq!(auth(ServerOptions::new("h").without_auth()), "false");
    }
}
