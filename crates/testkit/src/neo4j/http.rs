//! Cypher over Neo4j's HTTP query API: a witness that is independent of our own Bolt client.

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Runs one statement in a database; the rows, each a list of values.
pub(super) async fn query(
    port: u16,
    login: Option<(&str, &str)>,
    database: &str,
    statement: &str,
) -> anyhow::Result<Vec<Vec<Value>>> {
    let body = json!({ "statement": statement }).to_string();
    let login = login.map_or_else(String::new, |(username, password)| {
        let token = STANDARD.encode(format!("{username}:{password}"));
        format!("Authorization: Basic {token}\r\n")
    });
    let request = format!(
        "POST /db/{database}/query/v2 HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{login}\
         Accept: application/json\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    let (_, body) = reply.split_once("\r\n\r\n").context("the HTTP reply has no body")?;
    let mut body: Value = serde_json::from_str(body)
        .with_context(|| format!("the HTTP reply is not JSON: {reply}"))?;
    if let Some(errors) = body.get("errors") {
        bail!("{statement}: {errors}");
    }
    let rows = body["data"]["values"].take();
    ensure!(rows.is_array(), "the HTTP reply has no values: {body}");
    Ok(serde_json::from_value(rows)?)
}
