//! Protected connections: a real server with a certificate of a private authority.

use std::path::Path;

use lifeboat_bolt::{Auth, Config, Connection, Params, RunOptions};
use lifeboat_testkit::{Line, Neo4j, Neo4jOptions};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{Result, assert_usable, in_company};

/// Writes an authority's certificate, and a key and certificate for `localhost` that it signed.
fn certificates(folder: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    let authority = Issuer::new(params, key);
    let key = KeyPair::generate()?;
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &authority)?;
    std::fs::write(folder.join("public.crt"), certificate.pem())?;
    std::fs::write(folder.join("private.key"), key.serialize_pem())?;
    Ok(())
}

async fn certificates_are_checked_unless_told_otherwise(line: Line) -> Result<()> {
    let _company = in_company().await;
    let folder = tempfile::tempdir()?;
    certificates(folder.path())?;
    let options = Neo4jOptions::default()
        .setting("server.bolt.tls_level", "REQUIRED")
        .setting("dbms.ssl.policy.bolt.enabled", "true")
        .setting("dbms.ssl.policy.bolt.base_directory", folder.path().display().to_string())
        .setting("dbms.ssl.policy.bolt.client_auth", "NONE");
    let server = Neo4j::start_with(line, options).await?;
    let auth = Auth::basic(server.username(), server.password());
    let config = |scheme: &str, host: &str, ca: Option<&str>| -> Result<Config> {
        let uri = format!("{scheme}://{host}:{}", server.bolt_port()).parse()?;
        let ca_file = ca.map(|name| folder.path().join(name));
        Ok(Config { ca_file, ..Config::new(uri, auth.clone()) })
    };

    for (scheme, host, ca) in [
        ("bolt+s", "localhost", Some("ca.pem")),
        ("bolt+ssc", "localhost", None),
        ("bolt+ssc", "127.0.0.1", None),
        ("neo4j+s", "localhost", Some("ca.pem")),
        ("neo4j+ssc", "localhost", None),
    ] {
        let mut connection = Connection::connect(&config(scheme, host, ca)?).await?;
        assert_usable(&mut connection).await;
        // More than a record of TLS, read and dropped midway.
        let query = "UNWIND range(1, 300000) AS i RETURN i, 'some text to make it longer'";
        let mut records = connection.run(query, Params::None, &RunOptions::default()).await?;
        let (mut count, mut batches) = (0, 0);
        while let Some(batch) = records.next_batch().await? {
            count += batch.len();
            batches += 1;
        }
        records.finish().await?;
        assert_eq!(count, 300_000);
        assert!(batches < 10_000, "{batches}");
        drop(connection.run(query, Params::None, &RunOptions::default()).await?);
        assert_usable(&mut connection).await;
        connection.close().await;
    }

    for (scheme, host, ca, words) in [
        ("bolt+s", "localhost", None, "use +ssc to accept a self-signed certificate"),
        ("bolt+s", "127.0.0.1", Some("ca.pem"), "use the host name that the certificate is for"),
        ("bolt", "localhost", None, "if the server demands TLS"),
    ] {
        let refused = Connection::connect(&config(scheme, host, ca)?).await;
        let error = refused.expect_err("a connection that must not be");
        assert!(error.to_string().contains(words), "{scheme}: {error}");
        assert!(error.is_disconnected() && !error.is_retryable());
    }
    Ok(())
}

#[tokio::test]
async fn certificates_of_the_older_line_are_checked() -> Result<()> {
    certificates_are_checked_unless_told_otherwise(Line::Lts).await
}

#[tokio::test]
async fn certificates_of_the_newer_line_are_checked() -> Result<()> {
    certificates_are_checked_unless_told_otherwise(Line::Current).await
}
