//! Asks a service on this machine, through the socket in its folder.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::api::Problem;
use crate::listen::SOCKET;
use crate::{Error, Result};

/// The most bytes of an answer.
const MAX_ANSWER: usize = 64 << 20;

/// A service on this machine.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// The service that has this folder.
    pub fn new(state: &Path) -> Self {
        Self { path: state.join(SOCKET) }
    }

    /// Looks.
    ///
    /// # Errors
    /// When no service answers, or it refuses.
    pub async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T> {
        self.ask(Method::GET, route).await
    }

    /// Operates.
    ///
    /// # Errors
    /// When no service answers, or it refuses.
    pub async fn post<T: DeserializeOwned>(&self, route: &str) -> Result<T> {
        self.ask(Method::POST, route).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, route: &str) -> Result<T> {
        let (status, body) = self.exchange(method, route).await.map_err(|reason| {
            Error::NotRunning { path: self.path.clone(), reason: reason.to_string() }
        })?;
        if !status.is_success() {
            let problem = serde_json::from_slice::<Problem>(&body);
            let message = problem.map_or_else(|_| status.to_string(), |problem| problem.error);
            return Err(Error::Refused { message, status: status.as_u16() });
        }
        serde_json::from_slice(&body).map_err(|error| Error::Refused {
            message: format!(
                "the service at {} answers something else than expected ({error}); is it another \
                 version of this program?",
                self.path.display()
            ),
            status: status.as_u16(),
        })
    }

    async fn exchange(
        &self,
        method: Method,
        route: &str,
    ) -> std::result::Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = UnixStream::connect(&self.path).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; what goes wrong shows in the answer.
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(route)
            .header("host", "localhost")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?.to_bytes();
        drop(sender);
        driver.abort();
        Ok((status, body))
    }
}
