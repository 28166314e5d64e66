//! A small real application: it reads and writes the graph, and tells over HTTP how it is. Its
//! configuration is a file, without which it does not start.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jiff::Timestamp;
use lifeboat::bolt::{Auth, Config, Connection, Params, RunOptions, Value};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::control::{Region, request, respond};

/// A running application; it ends when dropped.
pub(super) struct Application {
    task: JoinHandle<()>,
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Serving {
    environment: &'static str,
    greeting: String,
    database: Config,
}

impl Application {
    pub(super) async fn start(region: &Region, port: u16) -> Result<Self, String> {
        let file = region.configuration.join("story.json");
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("no configuration at {}: {error}", file.display()))?;
        let settings: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let uri = format!("bolt://127.0.0.1:{}", region.bolt_port);
        let serving = Arc::new(Serving {
            environment: region.environment,
            greeting: settings["greeting"].as_str().unwrap_or_default().to_owned(),
            database: Config::new(
                uri.parse().unwrap(),
                Auth::basic(lifeboat_testkit::neo4j::USERNAME, lifeboat_testkit::neo4j::PASSWORD),
            ),
        });
        let listener = listen(region.address, port).await?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = Arc::clone(&serving);
                tokio::spawn(async move {
                    if let Some((mut stream, path)) = request(stream).await {
                        let answer = serving.answer(&path).await;
                        respond(&mut stream, answer).await;
                    }
                });
            }
        });
        Ok(Self { task })
    }
}

/// The one that was here before may not be gone yet.
async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, String> {
    let mut last = String::new();
    for _ in 0..50 {
        match TcpListener::bind(SocketAddr::from((address, port))).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(format!("cannot listen at {address}: {last}"))
}

impl Serving {
    async fn answer(&self, path: &str) -> Result<String, String> {
        match path.trim_start_matches('/').split_once('/') {
            Some(("write", number)) => {
                let number: i64 = number.parse().map_err(|_| "no number".to_owned())?;
                // A number that was written before is not written twice.
                let query = format!(
                    "MERGE (n:Written {{number: {number}}}) ON CREATE SET n.at = datetime() RETURN \
                     toString(n.at)"
                );
                Ok(self.ask(&query).await?.join("\n"))
            }
            _ if path == "/health" => {
                self.ask("RETURN '1'").await?;
                Ok(format!("{} from {}", self.greeting, self.environment))
            }
            _ if path == "/numbers" => {
                let query = "MATCH (n:Written) RETURN toString(n.number) + ' ' + toString(n.at) \
                             ORDER BY n.number";
                Ok(self.ask(query).await?.join("\n"))
            }
            _ => Err(format!("what is {path}?")),
        }
    }

    async fn ask(&self, query: &str) -> Result<Vec<String>, String> {
        let work = async {
            let mut connection = Connection::connect(&self.database).await?;
            let mut rows = connection.run(query, Params::None, &RunOptions::default()).await?;
            let mut all = Vec::new();
            while let Some(row) = rows.next().await? {
                if let Some(Value::String(text)) = row.first() {
                    all.push(text.clone());
                }
            }
            rows.finish().await?;
            connection.close().await;
            Ok::<_, lifeboat::bolt::Error>(all)
        };
        work.await.map_err(|error| error.to_string())
    }
}

/// One line of `/numbers`.
pub(super) fn number(line: &str) -> (u64, Timestamp) {
    let (number, at) = line.split_once(' ').unwrap();
    (number.parse().unwrap(), at.parse().unwrap())
}
