//! The stores themselves: each wraps a good one.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use lifeboat_vault::ObjectStore;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, Extensions, GetOptions, GetResult, GetResultPayload,
    ListResult, MultipartUpload, ObjectMeta, ObjectStoreExt as _, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use tokio::sync::Notify;

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// It refuses, for no reason that would pass.
    Refused,
    /// The request gets lost.
    Lost,
    /// It does as it was told, and the answer gets lost.
    AnswerLost,
    /// From now on it has no room.
    Full,
    /// It sends half of what was asked for.
    Truncated,
    /// It takes its time.
    Slow,
    /// It lists what was there long ago: nothing.
    Stale,
    /// From now on it does nothing.
    Dead,
    /// Our own program is killed before the operation.
    Killed,
    /// Our own program is killed after the operation.
    KilledAfter,
}

/// What a store was asked to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Operation {
    Put,
    BeginUpload,
    Part,
    Complete,
    AbortUpload,
    Get,
    Head,
    Delete,
    List,
}

impl Fault {
    pub(crate) const ALL: [Self; 10] = [
        Self::Refused,
        Self::Lost,
        Self::AnswerLost,
        Self::Full,
        Self::Truncated,
        Self::Slow,
        Self::Stale,
        Self::Dead,
        Self::Killed,
        Self::KilledAfter,
    ];

    /// Whether trying again helps.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Self::Lost | Self::AnswerLost | Self::Truncated | Self::Slow)
    }

    fn concerns(self, operation: Operation) -> bool {
        match self {
            Self::Full => operation.writes(),
            Self::Truncated => operation == Operation::Get,
            Self::Stale => operation == Operation::List,
            _ => true,
        }
    }

    fn lasts(self) -> bool {
        matches!(self, Self::Full | Self::Dead)
    }
}

impl Operation {
    fn writes(self) -> bool {
        matches!(self, Self::Put | Self::BeginUpload | Self::Part | Self::Complete)
    }

    /// Whether it is a step of an upload that cannot be repeated from outside.
    pub(crate) fn is_of_upload(self) -> bool {
        matches!(self, Self::Part | Self::Complete | Self::AbortUpload)
    }
}

fn io_error(kind: io::ErrorKind) -> Error {
    Error::Generic { store: "faulty", source: Box::new(io::Error::from(kind)) }
}

#[derive(Debug)]
struct Trouble {
    fault: Fault,
    at: usize,
    seen: AtomicUsize,
    happened: Mutex<Option<Operation>>,
    healed: AtomicBool,
    killed: Notify,
}

impl Trouble {
    /// Whether it strikes at this operation.
    fn strikes(&self, operation: Operation) -> bool {
        if self.healed.load(Ordering::SeqCst) || !self.fault.concerns(operation) {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        let strikes = seen == self.at || (self.fault.lasts() && seen > self.at);
        if strikes {
            self.happened.lock().unwrap().get_or_insert(operation);
        }
        strikes
    }

    /// Whether a listing shows nothing.
    fn is_stale(&self) -> bool {
        self.fault == Fault::Stale && self.strikes(Operation::List)
    }

    async fn kill<T>(&self) -> T {
        self.killed.notify_one();
        std::future::pending().await
    }

    /// Does an operation, or not, or not quite.
    async fn around<T>(
        &self,
        operation: Operation,
        good: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if !self.strikes(operation) {
            return good.await;
        }
        match self.fault {
            Fault::Refused => {
                Err(Error::Generic { store: "faulty", source: "it does not want to".into() })
            }
            Fault::Lost | Fault::Dead => Err(io_error(io::ErrorKind::ConnectionReset)),
            Fault::AnswerLost => {
                let _ = good.await;
                Err(io_error(io::ErrorKind::ConnectionReset))
            }
            Fault::Full => Err(io_error(io::ErrorKind::StorageFull)),
            Fault::Killed => self.kill().await,
            Fault::KilledAfter => {
                let _ = good.await;
                self.kill().await
            }
            Fault::Slow => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                good.await
            }
            // Those who list and read see to it themselves.
            Fault::Truncated | Fault::Stale => good.await,
        }
    }
}

/// A store with one fault.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    trouble: Arc<Trouble>,
}

impl FaultyStore {
    /// The fault happens at the operation of that number, of those it concerns.
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, fault: Fault, at: usize) -> Self {
        let trouble = Trouble {
            fault,
            at,
            seen: AtomicUsize::new(0),
            happened: Mutex::new(None),
            healed: AtomicBool::new(false),
            killed: Notify::new(),
        };
        Self { inner, trouble: Arc::new(trouble) }
    }

    /// At which operation it first happened.
    pub(crate) fn happened(&self) -> Option<Operation> {
        *self.trouble.happened.lock().unwrap()
    }

    /// No more faults.
    pub(crate) fn heal(&self) {
        self.trouble.healed.store(true, Ordering::SeqCst);
    }

    /// When our program is killed.
    pub(crate) async fn killed(&self) {
        self.trouble.killed.notified().await;
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.trouble.around(Operation::Put, self.inner.put_opts(at, payload, opts)).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.inner.put_multipart_opts(at, opts);
        let inner = self.trouble.around(Operation::BeginUpload, begun).await?;
        Ok(Box::new(FaultyUpload { inner, trouble: Arc::clone(&self.trouble) }))
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            return self.trouble.around(Operation::Head, self.inner.get_opts(at, options)).await;
        }
        if self.trouble.fault != Fault::Truncated {
            return self.trouble.around(Operation::Get, self.inner.get_opts(at, options)).await;
        }
        let mut result = self.inner.get_opts(at, options).await?;
        if self.trouble.strikes(Operation::Get) {
            let half = (result.range.end - result.range.start) / 2;
            let mut left = usize::try_from(half).unwrap();
            let payload = std::mem::replace(
                &mut result.payload,
                GetResultPayload::Stream(stream::empty().boxed()),
            );
            let whole = GetResult {
                payload,
                range: result.range.clone(),
                meta: result.meta.clone(),
                attributes: Attributes::default(),
                extensions: Extensions::default(),
            };
            let cut = whole.into_stream().map_ok(move |part: Bytes| {
                let part = part.slice(..part.len().min(left));
                left -= part.len();
                part
            });
            result.payload = GetResultPayload::Stream(cut.boxed());
        }
        Ok(result)
    }

    fn delete_stream(
        &self,
        at: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (inner, trouble) = (Arc::clone(&self.inner), Arc::clone(&self.trouble));
        at.then(move |location| {
            let (inner, trouble) = (Arc::clone(&inner), Arc::clone(&trouble));
            async move {
                let location = location?;
                trouble.around(Operation::Delete, inner.delete(&location)).await?;
                Ok(location)
            }
        })
        .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, trouble) = (Arc::clone(&self.inner), Arc::clone(&self.trouble));
        let prefix = prefix.cloned();
        stream::once(async move {
            if trouble.is_stale() {
                return Ok(Vec::new());
            }
            let all = inner.list(prefix.as_ref()).try_collect::<Vec<_>>();
            trouble.around(Operation::List, all).await
        })
        .map_ok(|all| stream::iter(all.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if self.trouble.is_stale() {
            return Ok(ListResult {
                common_prefixes: Vec::new(),
                objects: Vec::new(),
                extensions: Extensions::default(),
            });
        }
        self.trouble.around(Operation::List, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    trouble: Arc<Trouble>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.inner.put_part(data);
        let trouble = Arc::clone(&self.trouble);
        async move { trouble.around(Operation::Part, part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.trouble.around(Operation::Complete, self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.trouble.around(Operation::AbortUpload, self.inner.abort()).await
    }
}

/// A store in which an object appears right after the n-th listing: as if the listing was stale.
#[derive(Debug)]
pub(crate) struct LateStore {
    inner: Arc<dyn ObjectStore>,
    lists: AtomicUsize,
    object: Path,
    bytes: Bytes,
}

impl LateStore {
    pub(crate) fn new(
        inner: Arc<dyn ObjectStore>,
        lists: usize,
        object: String,
        bytes: Bytes,
    ) -> Self {
        Self { inner, lists: AtomicUsize::new(lists), object: Path::from(object), bytes }
    }
}

impl fmt::Display for LateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "late {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for LateStore {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(at, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, opts).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        at: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(at)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let listed = self.inner.list_with_delimiter(prefix).await?;
        if self.lists.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.inner.put(&self.object, self.bytes.clone().into()).await?;
        }
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// What a store does without saying so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cheat {
    /// It takes create-if-absent for create.
    Overwrites,
    /// It drops the last bytes of an archive.
    LosesBytes,
}

/// A store that says that all is well.
#[derive(Debug)]
pub(crate) struct CheatingStore(pub(crate) Arc<dyn ObjectStore>, pub(crate) Cheat);

impl fmt::Display for CheatingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cheating {}", self.0)
    }
}

#[async_trait]
impl ObjectStore for CheatingStore {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        mut opts: PutOptions,
    ) -> Result<PutResult> {
        if self.1 == Cheat::Overwrites {
            opts.mode = PutMode::Overwrite;
        } else if at.as_ref().contains(".tar.") {
            let bytes = Bytes::from(payload);
            return self.0.put_opts(at, bytes.slice(..bytes.len() - 3).into(), opts).await;
        }
        self.0.put_opts(at, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, opts).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        at: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(at)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}
