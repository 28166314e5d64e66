//! What a cloud's own interface is to its customers: databases and services are started, stopped,
//! made and removed by requests to one address, which commands of the settings send. It belongs to
//! the test, and so does all that it starts.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use lifeboat_testkit::{Line, Neo4j, Neo4jOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::application::Application;
use crate::support::lifeboat;

/// A region: where everything of it is, and what of it runs.
pub(super) struct Region {
    pub(super) environment: &'static str,
    pub(super) folder: PathBuf,
    pub(super) address: IpAddr,
    pub(super) bolt_port: u16,
    /// Whether it can be reached at all.
    pub(super) reachable: bool,
    pub(super) database: Option<Neo4j>,
    pub(super) application: Option<Application>,
    /// Where its application's configuration is.
    pub(super) configuration: PathBuf,
}

impl Region {
    pub(super) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    async fn start_database(&mut self) -> Result<(), String> {
        if self.database.is_some() {
            return Ok(());
        }
        let mut options = Neo4jOptions::default().home(self.home());
        options.bolt_port = Some(self.bolt_port);
        options.heap_mib = 256;
        options.page_cache_mib = 64;
        let started = Neo4j::start_with(Line::Lts, options).await;
        self.database = Some(started.map_err(|error| error.to_string())?);
        Ok(())
    }

    async fn stop_database(&mut self) {
        if let Some(mut database) = self.database.take()
            && database.stop().await.is_err()
        {
            let _ = database.kill();
        }
    }
}

/// All regions, and who controls them.
pub(super) struct Control {
    pub(super) regions: Mutex<Vec<Region>>,
    /// The folder of the settings.
    pub(super) settings: PathBuf,
    /// The port of the application, the same in all regions.
    pub(super) port: u16,
}

impl Control {
    /// Serves on a port of its own.
    pub(super) async fn serve(self: Arc<Self>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = Arc::clone(&self);
                tokio::spawn(async move {
                    if let Some((mut stream, path)) = request(stream).await {
                        let answer = this.act(&path).await;
                        respond(&mut stream, answer).await;
                    }
                });
            }
        });
        port
    }

    /// Does what a path asks for: `/ENVIRONMENT/THING/VERB`.
    pub(super) async fn act(&self, path: &str) -> Result<String, String> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let [environment, thing, verb] = parts[..] else { return Err(format!("what is {path}?")) };
        // Whoever starts something asks first whether that may be.
        if verb == "start" && thing == "application" {
            let mut check = lifeboat(["fence", "check", environment]);
            check.current_dir(&self.settings);
            let output = check.output().await.unwrap();
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned());
            }
        }
        let mut regions = self.regions.lock().await;
        let region = regions.iter_mut().find(|region| region.environment == environment);
        let region = region.ok_or("no such region")?;
        if !region.reachable {
            return Err("the region does not answer".to_owned());
        }
        match (thing, verb) {
            ("database", "start") => region.start_database().await?,
            ("database", "stop") => region.stop_database().await,
            ("application", "start") => {
                if region.application.is_none() {
                    region.application = Some(Application::start(region, self.port).await?);
                }
            }
            ("application", "stop") => drop(region.application.take()),
            ("application", "status") if region.application.is_none() => {
                return Err("it does not run".to_owned());
            }
            ("application", "status") => {}
            ("resources", "create") => {
                std::fs::create_dir_all(region.home()).map_err(|error| error.to_string())?;
            }
            ("resources", "remove") => {
                drop(region.application.take());
                region.stop_database().await;
                let _ = std::fs::remove_dir_all(&region.folder);
            }
            _ => return Err(format!("what is {path}?")),
        }
        Ok("done\n".to_owned())
    }
}

/// The path of a request, and where to answer.
pub(super) async fn request(mut stream: TcpStream) -> Option<(TcpStream, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
    let head = String::from_utf8_lossy(&bytes);
    let path = head.split_whitespace().nth(1)?.to_owned();
    Some((stream, path))
}

pub(super) async fn respond(stream: &mut TcpStream, answer: Result<String, String>) {
    let (status, body) = match answer {
        Ok(body) => ("200 OK", body),
        Err(body) => ("503 Service Unavailable", body),
    };
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
