//! Wrong addresses, wrong passwords, wrong protocols: what the user is told.

use lifeboat_bolt::{Auth, Config, Connection, Error};
use lifeboat_testkit::{Line, Neo4j};
use tokio::net::TcpListener;

use crate::support::{Result, config, in_company};

async fn refused(config: &Config) -> Error {
    match Connection::connect(config).await {
        Ok(connection) => panic!("{connection:?} should have been refused"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn wrong_credentials_are_told() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let good = config(line).await?;
        for max_version in [Some((4, 4)), Some((5, 0)), Some((5, 4)), None] {
            for auth in
                [Auth::basic("nobody", "hunter2"), Auth::None, Auth::Bearer("hunter2".into())]
            {
                let config = Config { auth, max_version, ..good.clone() };
                let error = refused(&config).await;
                // Which code says that a scheme is not supported differs.
                assert!(error.is_unauthorized(), "{error:?}");
                assert!(!error.is_retryable());
                assert!(!format!("{error} {error:?}").contains("hunter2"));
                assert!(error.to_string().contains("check the user name and password"), "{error}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_http_port_is_recognised() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut config = config(line).await?;
        let http = Neo4j::shared(line).await?.http_uri();
        config.uri = http.replace("http://", "bolt://").parse()?;
        let error = refused(&config).await;
        assert!(error.to_string().contains("it speaks HTTP"), "{error}");
        assert!(error.is_disconnected() && !error.is_retryable());
    }
    Ok(())
}

#[tokio::test]
async fn a_port_without_tls_is_recognised() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut config = config(line).await?;
        for scheme in ["bolt+s://", "bolt+ssc://"] {
            config.uri = Neo4j::shared(line).await?.uri().replace("bolt://", scheme).parse()?;
            let error = refused(&config).await;
            assert!(error.to_string().contains("does not speak TLS"), "{error}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn nobody_there_is_told() -> Result<()> {
    let free = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let config = Config::new(format!("bolt://{free}").parse()?, Auth::None);
    let error = refused(&config).await;
    let message = error.to_string();
    assert!(message.starts_with(&format!("cannot connect to {free}: ")), "{message}");
    assert!(message.contains("check that Neo4j is running"), "{message}");
    assert!(error.is_retryable() && error.is_disconnected());

    let config = Config::new("bolt://no-such-host.invalid".parse()?, Auth::None);
    let error = refused(&config).await;
    assert!(error.to_string().contains("cannot connect to no-such-host.invalid:7687"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_file_without_certificates_is_refused() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut config =
        Config::new(format!("bolt+s://{}", listener.local_addr()?).parse()?, Auth::None);
    let folder = tempfile::tempdir()?;
    for (name, content) in [("missing.pem", None), ("empty.pem", Some("")), ("odd.pem", Some("x"))]
    {
        let path = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content)?;
        }
        config.ca_file = Some(path);
        let error = refused(&config).await;
        assert!(matches!(error, Error::CaFile { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    Ok(())
}
