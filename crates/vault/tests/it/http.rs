//! A server that answers what it is told to: what real ones do on a bad day.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lifeboat_archive::Codec;
use lifeboat_testkit::azurite::ACCOUNT;
use lifeboat_vault::{Address, Credentials, Damage, Error, Retry, Vault, VaultConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{QUICK, Sample, name};

/// What to say to the n-th request of that kind; `None` is to say nothing, for ever.
type Answers = dyn Fn(&str, usize) -> Option<Vec<u8>> + Send + Sync;

/// Serves one request a connection. A vault there, and how many requests there were.
async fn serve(
    retry: Retry,
    answers: impl Fn(&str, usize) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Vault, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers: Arc<Answers> = Arc::new(answers);
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answers, counter) = (Arc::clone(&answers), Arc::clone(&counter));
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    let mut buffer = [0; 4096];
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(length) => request.extend_from_slice(&buffer[..length]),
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                match answers(&request, counter.fetch_add(1, Ordering::SeqCst)) {
                    Some(answer) => drop(stream.write_all(&answer).await),
                    None => std::future::pending().await,
                }
            });
        }
    });
    let config = VaultConfig::new(Address::azure(ACCOUNT.0, "backups").unwrap())
        .with_endpoint(format!("http://127.0.0.1:{port}/{}", ACCOUNT.0))
        .with_credentials(Credentials::AzureAccountKey(ACCOUNT.1.into()))
        .with_retry(retry);
    (Vault::open(&config).unwrap(), count)
}

fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: \"1\"\r\n\
         Last-Modified: Tue, 24 Nov 2026 02:00:00 GMT\r\nConnection: close\r\n\r\n"
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let manifest = Sample::small(&name(0)).manifest;
    let bytes = manifest.to_bytes().unwrap();
    let (vault, count) = serve(QUICK, move |_, n| {
        Some(match n {
            0 => answer("503 Service Unavailable", 0, b""),
            1 => answer("500 Internal Server Error", 0, b""),
            _ => answer("200 OK", bytes.len(), &bytes),
        })
    })
    .await;
    assert_eq!(vault.manifest(&name(0)).await.unwrap(), manifest);
    assert_eq!(count.load(Ordering::SeqCst), 3);

    let body = b"<Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>";
    let (vault, _) =
        serve(Retry::NONE, |_, _| Some(answer("503 Service Unavailable", body.len(), body))).await;
    for error in [
        vault.check().await.unwrap_err(),
        vault.list().await.unwrap_err(),
        vault.manifest(&name(0)).await.unwrap_err(),
        vault.begin(&name(0), Codec::Zstd).await.unwrap_err(),
    ] {
        assert!(error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains("busy"), "{error}");
    }
}

#[tokio::test]
async fn a_short_answer_is_never_taken_for_the_whole() {
    let manifest = Sample::small(&name(0)).manifest;
    let bytes = manifest.to_bytes().unwrap();
    // Half of the body, then the connection ends: the first time, and every time.
    for always in [false, true] {
        let bytes = bytes.clone();
        let (vault, _) = serve(QUICK, move |request, n| {
            let length = bytes.len();
            let cut = |part: &[u8]| if n == 0 || always { part.len() / 2 } else { part.len() };
            // The client goes on where it was cut off.
            let from = request
                .to_lowercase()
                .split_once("range: bytes=")
                .map(|(_, rest)| rest.split_once('-').unwrap().0.parse::<usize>().unwrap());
            Some(match from {
                None => answer("200 OK", length, &bytes[..cut(&bytes)]),
                Some(from) => {
                    let part = &bytes[from..];
                    let status = format!(
                        "206 Partial Content\r\nContent-Range: bytes {from}-{}/{length}",
                        length - 1
                    );
                    answer(&status, part.len(), &part[..cut(part)])
                }
            })
        })
        .await;
        match vault.manifest(&name(0)).await {
            Ok(read) => assert!(!always && read == manifest),
            Err(error) => assert!(always && error.is_retryable(), "{error:?}"),
        }
    }
    // A length that says so itself: as good as a damaged manifest.
    let half = bytes[..bytes.len() / 2].to_vec();
    let (vault, _) = serve(QUICK, move |_, _| Some(answer("200 OK", half.len(), &half))).await;
    let error = vault.manifest(&name(0)).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { damage: Damage::Manifest(_), .. }), "{error:?}");
}

#[tokio::test]
async fn a_range_is_the_range_that_was_asked_for() {
    let sample = Sample::small(&name(0));
    let archive = sample.pieces.concat();
    let size = archive.len();
    // One that answers with fewer bytes of the range, and says so.
    let (vault, _) = serve(QUICK, move |request, _| {
        Some(if request.starts_with("HEAD") {
            answer("200 OK", size, b"")
        } else {
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nETag: \"1\"\r\n\
                 Content-Range: bytes 0-4/{size}\r\n\
                 Last-Modified: Tue, 24 Nov 2026 02:00:00 GMT\r\nConnection: close\r\n\r\n"
            );
            [head.as_bytes(), &archive[..5]].concat()
        })
    })
    .await;
    let reader = vault.open_archive_of(&sample.manifest).await.unwrap();
    assert_eq!(reader.read_range(0..5).await.unwrap().len(), 5);
    let error = reader.read_range(0..50).await.unwrap_err();
    eprintln!("{error}");
    reader.read_range(5..10).await.unwrap_err();
}

#[tokio::test]
async fn nonsense_is_an_error() {
    for body in ["", "<html>Sign in to the hotel's network</html>", "{}", "<EnumerationResults>"] {
        let (vault, _) =
            serve(Retry::NONE, move |_, _| Some(answer("200 OK", body.len(), body.as_bytes())))
                .await;
        let error = vault.list().await.unwrap_err();
        assert!(!error.to_string().contains(ACCOUNT.1), "{error}");
        vault.manifest(&name(0)).await.unwrap_err();
    }
    let (vault, _) = serve(Retry::NONE, |_, _| Some(b"SSH-2.0-OpenSSH_9\r\n".to_vec())).await;
    vault.list().await.unwrap_err();
    let (vault, _) = serve(Retry::NONE, |_, _| Some(Vec::new())).await;
    assert!(vault.list().await.unwrap_err().is_retryable());
}

// The clock runs ahead whenever nothing else can happen, so that no minute is waited for.
#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let (vault, _) = serve(QUICK, |_, _| None).await;
    for error in [
        vault.check().await.unwrap_err(),
        vault.list().await.unwrap_err(),
        vault.manifest(&name(0)).await.unwrap_err(),
    ] {
        assert!(error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains("no answer within 30 seconds"), "{error}");
    }
    // Who sends something is given more time.
    let error = vault.begin(&name(0), Codec::Zstd).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(!error.to_string().contains("30 seconds"), "{error}");
}
