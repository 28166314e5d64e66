//! Deleting one version of an object in a bucket of S3, which the stores' library leaves out.
//!
//! Nothing in a vault is ever removed so. It is only tried on objects that were made to be tried on
//! (see [`Vault::try_immutability`](crate::Vault::try_immutability)).

use std::time::Duration;

use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::path::Path;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer as _};

/// How long the signature of a request is good for.
const GOOD_FOR: Duration = Duration::from_mins(5);

/// Says that a lock in the mode GOVERNANCE is to be ignored, which needs a right of its own.
const BYPASS: &str = "x-amz-bypass-governance-retention";

/// The versions of the objects in a bucket, for whom a vault was opened for.
#[derive(Clone)]
pub(crate) struct Versions {
    store: AmazonS3,
    client: HttpClient,
    prefix: Path,
}

impl Versions {
    pub(crate) fn new(store: AmazonS3, client: HttpClient, prefix: &str) -> Self {
        Self { store, client, prefix: Path::from(prefix) }
    }

    /// Deletes a version, even one that is locked if `bypass` and the rights allow it.
    pub(crate) async fn delete(
        &self,
        object: &str,
        version: &str,
        bypass: bool,
    ) -> object_store::Result<()> {
        let path: Path = self.prefix.parts().chain(Path::from(object).parts()).collect();
        let mut options = SignedUrlOptions::new().with_query([("versionId", version)]);
        if bypass {
            let (name, yes) = (HeaderName::from_static(BYPASS), HeaderValue::from_static("true"));
            options = options.with_signed_header(name, yes);
        }
        let url = self.store.signed_url_opts(Method::DELETE, &path, GOOD_FOR, &options).await?;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = Method::DELETE;
        *request.uri_mut() = url.as_str().parse().map_err(failed)?;
        *request.headers_mut() = options.signed_headers;
        let answer = self.client.execute(request).await.map_err(failed)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = answer.into_body().bytes().await.map_err(failed)?;
        let body = String::from_utf8_lossy(&body);
        // As the stores' library words it.
        Err(failed(format!("Server returned non-2xx status code: {status}: {body}")))
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: error.into() }
}
