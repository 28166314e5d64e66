//! A store that is asked something and says nothing is given up, long before one that is sent
//! something large over a slow line.
//!
//! The limit of the stores' client counts a request with both its bodies, and so has to be that of
//! a part of an upload. Who asks sends nothing, and waits for the beginning of an answer alone.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

/// How long the beginning of an answer may take.
const SILENCE: Duration = Duration::from_secs(30);

/// Makes clients that do not wait for ever to be answered.
#[derive(Debug)]
pub(crate) struct Listening;

#[derive(Debug)]
struct Listener(HttpClient);

impl HttpConnector for Listening {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Listener(client)))
    }
}

#[async_trait]
impl HttpService for Listener {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if !request.method().is_safe() {
            return self.0.execute(request).await;
        }
        let answer = tokio::time::timeout(SILENCE, self.0.execute(request)).await;
        answer.unwrap_or_else(|_| {
            let text = format!("no answer within {} seconds", SILENCE.as_secs());
            let error = io::Error::new(io::ErrorKind::TimedOut, text);
            Err(HttpError::new(HttpErrorKind::Timeout, error))
        })
    }
}
